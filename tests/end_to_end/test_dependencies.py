from __future__ import annotations

import itertools
import json
from typing import Any

import boto3
import pytest

from tests.end_to_end.support import Platform

pytestmark = pytest.mark.slow


def test_a_job_after_another_starts_when_it_has_succeeded(platform: Platform) -> None:
    first = platform.submit("--", "sleep", "1")
    second = platform.submit("--after", first, "--", "true")
    assert platform.wait(second) == 0
    assert platform.wait(first) == 0
    ended, started = _status(platform, first)["stopped_at_ms"], _status(platform, second)["started_at_ms"]
    assert isinstance(ended, int)
    assert isinstance(started, int)
    assert started >= ended


def test_a_job_after_a_failed_one_fails_without_running(platform: Platform) -> None:
    first = platform.submit("--", "false")
    second = platform.submit("--after", first, "--", "true")
    assert platform.wait(second) == 125
    assert "Dependent" in str(_status(platform, second)["status_reason"])


def test_cancelling_a_waiting_job_leaves_the_one_it_waits_for(platform: Platform) -> None:
    first = platform.submit("--", "sleep", "600")
    second = platform.submit("--after", first, "--", "true")
    platform.hpc("cancel", second)
    assert platform.wait(second) == 125
    assert _status(platform, first)["status"] not in ("SUCCEEDED", "FAILED")
    platform.hpc("cancel", first)


def test_a_job_after_twenty_five_others_goes_through_a_job_that_waits_for_some_of_them(platform: Platform) -> None:
    parents = [platform.submit("--", "true"), *_plain_jobs(platform, 24)]
    flags = [word for parent in parents for word in ("--after", parent)]
    before = platform.calls("SubmitJob")
    run = platform.submit(*flags, "--", "true")
    assert platform.calls("SubmitJob") - before == 2
    assert platform.wait(run) == 0


def test_a_failed_parent_behind_a_barrier_fails_the_run(platform: Platform) -> None:
    parents = [platform.submit("--", "false"), *_plain_jobs(platform, 20)]
    run = platform.submit(*[word for parent in parents for word in ("--after", parent)], "--", "true")
    assert platform.wait(run) == 125
    assert "Dependent" in str(_status(platform, run)["status_reason"])


def test_each_task_starts_when_the_task_of_the_same_number_has_succeeded(platform: Platform) -> None:
    first = platform.submit("--array", "3", "--", "bash", "-c", "test $HPC_INDEX != 1")
    second = platform.submit("--array", "3", "--after-each", first, "--", "true")
    assert platform.wait(second) != 0
    assert [_status(platform, f"{second}:{index}")["status"] for index in range(3)] == [
        "SUCCEEDED",
        "FAILED",
        "SUCCEEDED",
    ]


def test_one_by_one_starts_each_task_when_the_one_before_has_ended(platform: Platform) -> None:
    run = platform.submit("--array", "3", "--one-by-one", "--", "true")
    assert platform.wait(run) == 0
    children = [_status(platform, f"{run}:{index}") for index in range(3)]
    for earlier, later in itertools.pairwise(children):
        assert later["started_at_ms"] >= earlier["stopped_at_ms"]


def test_each_task_of_a_run_of_another_size_is_refused(platform: Platform) -> None:
    first = platform.submit("--array", "3", "--", "true")
    answer = platform.hpc("submit", "--array", "4", "--after-each", first, "--", "true")
    assert answer.returncode == 2
    assert "an array of 3 children" in answer.stderr


def _status(platform: Platform, reference: str) -> dict[str, Any]:
    (job,) = json.loads(platform.hpc("status", "--json", reference).stdout)["jobs"]
    return job


def _plain_jobs(platform: Platform, count: int) -> list[str]:
    """Submit jobs by boto3, as others than `hpc` do; return their ids."""
    variables = platform.deployment.variables
    session = boto3.Session("test", "test", region_name=variables["AWS_REGION"])
    batch = session.client("batch", endpoint_url=variables["AWS_ENDPOINT_URL"])
    plan = json.loads(platform.hpc("submit", "--dry-run", "--", "true").stdout)["submit_job"][0]
    where = {key: plan[key] for key in ("jobQueue", "jobDefinition")}
    override = {"command": ["true"]}
    return [batch.submit_job(jobName=f"other-{n}", containerOverrides=override, **where)["jobId"] for n in range(count)]
