"""Round trips of statuses, claims, leases and rendezvous notes."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from hpc.contract.claim import Claim, Lease
from hpc.contract.rendezvous import AbsenceNote, RendezvousNote
from hpc.contract.task_status import StoredOutput, TaskStatus

WORDS = st.text(max_size=8)
COUNTS = st.integers(0, 10**12)
SOMETHING = st.text(min_size=1, max_size=8)
PAIRS = st.dictionaries(SOMETHING, WORDS, max_size=3)


@given(
    status=st.builds(
        TaskStatus,
        index=COUNTS, job_id=WORDS, attempt=COUNTS, exit_code=st.integers(0, 255), reason=WORDS, started_at=WORDS,
        stopped_at=WORDS, instance=st.none() | PAIRS, phases=PAIRS,
        outputs=st.lists(st.builds(StoredOutput, key=WORDS, size=COUNTS), max_size=3).map(tuple),
    )
)  # fmt: skip
def test_a_status(status: TaskStatus) -> None:
    assert TaskStatus.from_json(json.loads(json.dumps(status.to_json()))) == status


@given(claim=st.builds(Claim, job_id=st.none() | SOMETHING, by=WORDS, sends=COUNTS, write=WORDS))
def test_a_claim(claim: Claim) -> None:
    assert Claim.from_bytes(claim.to_bytes()) == claim


@given(lease=st.builds(Lease, job_id=WORDS, attempt=COUNTS))
def test_a_lease(lease: Lease) -> None:
    assert Lease.from_bytes(lease.to_bytes()) == lease


@given(
    note=st.builds(RendezvousNote, job_id=WORDS, address=WORDS, port=COUNTS, token=WORDS)
    | st.builds(RendezvousNote, job_id=WORDS, ended=SOMETHING)
)
def test_a_note_of_the_main_node(note: RendezvousNote) -> None:
    assert RendezvousNote.from_bytes(note.to_bytes()) == note


@given(note=st.builds(AbsenceNote, job_id=WORDS, node=COUNTS, failed=WORDS, exit_code=st.integers(1, 255)))
def test_a_note_of_a_node_that_does_not_come(note: AbsenceNote) -> None:
    assert AbsenceNote.from_bytes(note.to_bytes()) == note
