from __future__ import annotations

from typing import Any

import pytest

from hpc.aws import jobs
from hpc.cli.progress import summary

BASE: dict[str, Any] = {"jobId": "j", "jobName": "n", "status": "FAILED"}


def test_a_failed_command_is_told_by_its_exit_code_and_not_by_the_services_phrase() -> None:
    job = jobs.from_detail(BASE | {"statusReason": "Essential container in task exited", "container": {"exitCode": 3}})
    assert job.reason == "exited 3"


def test_the_containers_own_reason_is_added() -> None:
    reason = "OutOfMemoryError: Container killed due to memory usage"
    job = jobs.from_detail(BASE | {"container": {"exitCode": 137, "reason": reason}})
    assert job.reason.startswith("exited 137: killed")
    assert reason in job.reason


def test_exit_codes_of_the_entrypoint_are_explained() -> None:
    assert "node was lost" in jobs.from_detail(BASE | {"container": {"exitCode": 74}}).reason


def test_a_job_that_never_ran_shows_the_services_reason() -> None:
    job = jobs.from_detail(BASE | {"statusReason": "Dependent Job failed", "container": {}})
    assert (job.reason, job.exit_code) == ("Dependent Job failed", None)


def test_the_last_attempt_counts_where_the_job_itself_says_nothing() -> None:
    attempts = [{"container": {"exitCode": 1}}, {"container": {"exitCode": 2, "logStreamName": "s2"}}]
    job = jobs.from_detail(BASE | {"attempts": attempts})
    assert (job.attempts, job.exit_code, job.log_stream) == (2, 2, "s2")


@pytest.mark.parametrize(("job_id", "number"), [("a:7", 7), ("a#2", 2), ("a-b", None), ("a:x", None)])
def test_children_and_nodes_carry_their_number_in_their_id(job_id: str, number: int | None) -> None:
    assert jobs.number_of(job_id) == number


def test_the_summary_counts_an_arrays_children_and_those_not_made_yet() -> None:
    parent = jobs.from_detail(
        BASE | {"status": "PENDING", "arrayProperties": {"size": 5, "statusSummary": {"RUNNING": 1, "SUCCEEDED": 2}}}
    )
    assert summary([parent]) == "PENDING 2  RUNNING 1  SUCCEEDED 2"


def test_many_jobs_are_described_a_hundred_at_a_time_and_forgotten_ones_left_out() -> None:
    asked = list[list[str]]()

    class Batch:
        def describe_jobs(self, jobs: list[str]) -> dict[str, Any]:
            asked.append(jobs)
            return {"jobs": [BASE | {"jobId": job_id} for job_id in jobs if job_id != "7"]}

    found = jobs.describe(Batch(), [str(number) for number in range(250)])  # type: ignore[arg-type]
    assert [len(ids) for ids in asked] == [100, 100, 50]
    assert len(found) == 249
    assert "7" not in found
