from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hpc.common import run_ids


def test_a_run_id_tells_when_and_sorts_by_time() -> None:
    earlier = run_ids.new(datetime(2026, 11, 22, 17, 33, 55, tzinfo=UTC))
    later = run_ids.new(datetime(2026, 11, 22, 17, 33, 56, tzinfo=UTC))
    assert earlier.startswith("20261122-173355-")
    assert earlier < later


def test_two_runs_of_the_same_second_differ() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert len({run_ids.new(now) for _ in range(200)}) == 200


def test_the_same_key_gives_the_same_run_and_other_projects_another() -> None:
    assert run_ids.from_key("a", "nightly") == run_ids.from_key("a", "nightly")
    assert run_ids.from_key("a", "nightly") != run_ids.from_key("b", "nightly")
    assert run_ids.is_run_id(run_ids.from_key("a", "nightly"))


@given(st.integers(min_value=0, max_value=30), st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", fullmatch=True))
def test_every_allowed_name_makes_a_batch_job_name_that_leads_back_to_the_run(part: int, name: str) -> None:
    run_id = run_ids.new()
    made = run_ids.job_name(run_id, part, name)
    assert len(made) <= run_ids.MAX_JOB_NAME
    assert run_ids.of_job_name(made) == (run_id, part)


def test_names_that_others_gave_lead_to_no_run() -> None:
    assert run_ids.of_job_name("my-job-0-1") is None
    assert not run_ids.is_run_id("0b1b9c1e-7c1f-4f0e-9d9a-1f1f1f1f1f1f")
