"""No part of a run is lost and none runs twice, whatever fails: the model of docs/exactly-once.md."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from hpc.aws.environment import Environment
from hpc.node import lease
from hpc.plan import run_request
from hpc.runs import claims, records
from hpc.runs.claims import Claims, HeldClaim
from hpc.submit import job_sender
from hpc.submit.job_sender import JobSender
from tests.hpc.fakes.processes import ASLEEP, Process, Time
from tests.hpc.submit import protocol_machine
from tests.hpc.submit.protocol_machine import CHILDREN, ExactlyOnce


@pytest.fixture(autouse=True)
def _world(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(job_sender, "time", Time)
    monkeypatch.setattr(claims, "time", Time)
    monkeypatch.setattr(run_request, "MAX_ARRAY", CHILDREN)
    monkeypatch.setattr(records, "save", lambda record: Process.current.state.update({record.run_id: record}))
    monkeypatch.setattr(records, "load", lambda _, run_id: Process.current.state.get(run_id))
    protocol_machine.ENVIRONMENT[:] = [environment]
    yield
    protocol_machine.ENVIRONMENT.clear()


def test_no_part_is_lost_and_none_runs_twice() -> None:
    run_state_machine_as_test(
        ExactlyOnce,
        settings=settings(
            max_examples=150, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


# ------------------------------------------------- protocols that are broken, and what shows each of them

Patch = pytest.MonkeyPatch


def without_a_claim(patch: Patch) -> None:
    patch.setattr(JobSender, "_take", lambda *_: True)


def without_the_wait_after_a_lost_answer(patch: Patch) -> None:
    patch.setattr(job_sender, "LIST_LAG_S", 0.0)


def a_claim_is_stale_at_once(patch: Patch) -> None:
    patch.setattr(job_sender, "STALE_S", 0.0)


def resent_without_a_look(patch: Patch) -> None:
    patch.setattr(JobSender, "_look", lambda _: True)


def sent_on_an_old_look(patch: Patch) -> None:
    class Now(float):
        """A time that has moved on when it is compared."""

        def __ge__(self, other: float) -> bool:
            return Process.current.clock.now >= other

    patch.setattr(Time, "monotonic", staticmethod(lambda: Now(Process.current.clock.now)))


def a_job_id_is_overwritten(patch: Patch) -> None:
    def write(
        self: Claims, key: str, before: HeldClaim, *, job_id: Any = None, sends: int, free: bool = False
    ) -> HeldClaim:
        body = json.dumps({"job_id": job_id, "by": "" if free else self.me, "sends": sends, "write": str(time.time())})
        etag = self.s3.put_object(Bucket=self.bucket, Key=key, Body=body.encode())["ETag"]
        return HeldClaim(job_id=job_id, by="" if free else self.me, sends=sends, etag=etag)

    patch.setattr(Claims, "write", write)


def settled_without_a_check(patch: Patch) -> None:
    patch.setattr(JobSender, "_settle", lambda self, part, job_id: self._done(part, job_id, settled=True))


def a_server_error_is_taken_for_a_refusal(patch: Patch) -> None:
    patch.setattr(JobSender, "_wait_for_list", JobSender._later)


def an_uncertain_claim_is_freed(patch: Patch) -> None:
    release = JobSender._release

    def forget(self: JobSender) -> None:
        for part in self.pending:
            part.uncertain = False
        release(self)

    patch.setattr(JobSender, "_release", forget)


def a_second_send_is_not_counted(patch: Patch) -> None:
    write = Claims.write
    patch.setattr(Claims, "write", lambda self, key, before, **to: write(self, key, before, **to | {"sends": 1}))


def the_container_does_not_ask(patch: Patch) -> None:
    patch.setattr(lease, "_job_of_part", lambda *asked: asked[-1])


def the_container_does_not_write(patch: Patch) -> None:
    def job_of_part(s3: Any, context: Any, job_id: str) -> str:
        found = s3.get_tagged(context.bucket, context.paths.job(context.part))
        return (json.loads(found[0])["job_id"] if found else None) or job_id

    patch.setattr(lease, "_job_of_part", job_of_part)


def whatever_is_not_known_is_a_duplicate(patch: Patch) -> None:
    by_name = job_sender.jobs.by_name

    def end_extra(clients: Any, queue: str, bucket: str, paths: Any, held: set[str]) -> list[str]:
        for ids in by_name(clients.batch, queue, f"{paths.run_id}-*").values():
            for job_id in set(ids) - held:
                clients.batch.terminate_job(jobId=job_id, reason="duplicate")
        return []

    patch.setattr(job_sender, "end_extra", end_extra)


def extra_jobs_are_left(patch: Patch) -> None:
    patch.setattr(job_sender, "end_extra", lambda *_: [])


def nothing_is_sent_again(patch: Patch) -> None:
    send = JobSender._send
    patch.setattr(JobSender, "_send", lambda self, part: None if part.uncertain else send(self, part))


def submit_job_fails(machine: ExactlyOnce, fault: str) -> None:
    machine.sending_fails(which=0, faults=[fault])


def lost_once(machine: ExactlyOnce) -> None:
    submit_job_fails(machine, "lost after")


def lost_once_and_sent_again(machine: ExactlyOnce) -> None:
    """There are two jobs, for ListJobs lags."""
    lost_once(machine)
    for _ in range(2):
        machine.go_on(which=0, steps=8)
    start_containers(machine)


def lost_twice_and_killed(machine: ExactlyOnce) -> None:
    """There are two jobs, and the claim names none."""
    lost_once(machine)
    machine.process_ends(which=0, fault="killed after", at={"submit_job"}, skipped=0)
    start_containers(machine)


def start_containers(machine: ExactlyOnce) -> None:
    machine.wait(seconds=12)
    while machine.world.startable():
        machine.start_container(which=0)


def lost_once_and_interrupted(machine: ExactlyOnce) -> None:
    lost_once(machine)
    machine.process_ends(which=0, fault="interrupted before", at={ASLEEP}, skipped=0)


def overtaken(machine: ExactlyOnce, calls: int) -> None:
    """A second submitter goes as far as it can after some calls of the first."""
    machine.go_on(which=0, steps=calls)
    machine.submit(host=1)
    for _ in range(2):
        machine.go_on(which=1, steps=8)


def one_part_waits_while_another_is_throttled_and_then_slow(machine: ExactlyOnce) -> None:
    throttled, slow = "throttled", "accepted after a time-out"
    machine.sending_fails(which=0, faults=[throttled, "lost after", throttled, throttled, slow])


def looked_at_between_two_parts(machine: ExactlyOnce) -> None:
    """The first part's job is not in its claim yet; the second part is sent between two listings."""
    machine.go_on(which=0, steps=3)
    machine.look(host=2, cancels=False)
    machine.go_on(which=1, steps=5)
    machine.go_on(which=0, steps=3)


ORDERLY = {"orderly": True, "lag_s": 10, "parts": 1, "barrier": False, "may_list": True}
DISORDERLY = ORDERLY | {"orderly": False, "lag_s": 40}
TWICE, EXTRA = "was sent 2 times", "extra jobs of part 0 were not ended"
BROKEN: list[tuple[Any, dict[str, Any], Any, str]] = [
    (without_a_claim, ORDERLY, partial(overtaken, calls=1), TWICE),
    (without_the_wait_after_a_lost_answer, ORDERLY, lost_once, TWICE),
    (a_claim_is_stale_at_once, ORDERLY, partial(overtaken, calls=2), TWICE),
    (resent_without_a_look, ORDERLY, lost_once, TWICE),
    (sent_on_an_old_look, ORDERLY | {"parts": 2}, one_part_waits_while_another_is_throttled_and_then_slow, TWICE),
    (a_job_id_is_overwritten, ORDERLY, partial(overtaken, calls=1), "job id was replaced"),
    (settled_without_a_check, ORDERLY, lambda _: None, "does not hold the part"),
    (a_server_error_is_taken_for_a_refusal, ORDERLY, partial(submit_job_fails, fault="server error after"), TWICE),
    (an_uncertain_claim_is_freed, ORDERLY, lost_once_and_interrupted, TWICE),
    (a_second_send_is_not_counted, DISORDERLY, lost_once, EXTRA),
    (the_container_does_not_ask, DISORDERLY, lost_once_and_sent_again, "was executed by"),
    (the_container_does_not_write, DISORDERLY, lost_twice_and_killed, "was executed by"),
    (whatever_is_not_known_is_a_duplicate, ORDERLY | {"parts": 3, "lag_s": 0}, looked_at_between_two_parts,
        "was ended as a duplicate"),
    (extra_jobs_are_left, DISORDERLY, lost_once, EXTRA),
    (nothing_is_sent_again, ORDERLY, partial(submit_job_fails, fault="reset before"), "does not answer"),
]  # fmt: skip
"""Each with a world and steps that show it, and what is said then."""


def follow(world: dict[str, Any], steps: Any) -> None:
    machine = ExactlyOnce()
    try:
        machine.begin(**world)
        steps(machine)
    finally:
        machine.teardown()


@pytest.mark.parametrize(("broken", "world", "steps", "said"), BROKEN, ids=[broken.__name__ for broken, *_ in BROKEN])
def test_a_broken_protocol_breaks_a_promise_where_ours_does_not(
    broken: Any, world: dict[str, Any], steps: Any, said: str, monkeypatch: Patch
) -> None:
    follow(world, steps)
    broken(monkeypatch)
    with pytest.raises(AssertionError, match=said):
        follow(world, steps)
