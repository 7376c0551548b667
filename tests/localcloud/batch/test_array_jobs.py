"""Array jobs and their dependencies."""

from __future__ import annotations

import time
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def child_statuses(world: Any, job_id: str, size: int) -> list[str]:
    jobs = world.batch.describe_jobs(jobs=[f"{job_id}:{index}" for index in range(size)])["jobs"]
    return [job["status"] for job in jobs]


def test_each_child_knows_its_index_and_the_size(world: Any) -> None:
    job = world.run("sh", "-c", "echo $AWS_BATCH_JOB_ARRAY_INDEX of $AWS_BATCH_JOB_ARRAY_SIZE $AWS_BATCH_JOB_ID",
                    arrayProperties={"size": 3})  # fmt: skip
    assert job["status"] == "SUCCEEDED"
    for index in range(3):
        child = world.describe(f"{job['jobId']}:{index}")
        assert world.lines(child) == [f"{index} of 3 {job['jobId']}:{index}"]
        assert child["arrayProperties"] == {"index": index}


def test_empty_array_properties_are_a_plain_job_as_parallelcluster_sends_it(world: Any) -> None:
    job = world.run("true", arrayProperties={})
    assert job["status"] == "SUCCEEDED"
    assert "size" not in job.get("arrayProperties", {})


def test_the_parent_is_pending_and_counts_its_children(world: Any, wait: Any) -> None:
    queue = world.queue(max_vcpus=2)
    job_id = world.submit("sleep", "600", queue=queue, arrayProperties={"size": 3})
    wait(lambda: child_statuses(world, job_id, 3).count("RUNNING") == 2)
    job = world.describe(job_id)
    assert job["status"] == "PENDING"
    counts = {name: count for name, count in job["arrayProperties"]["statusSummary"].items() if count}
    assert counts == {"RUNNING": 2, "RUNNABLE": 1}
    world.batch.terminate_job(jobId=job_id, reason="enough")
    assert (world.result(job_id)["status"], world.describe(job_id)["statusReason"]) == ("FAILED", "enough")
    assert set(child_statuses(world, job_id, 3)) == {"FAILED"}


def test_one_failed_child_fails_the_array_and_no_other_child(world: Any) -> None:
    job = world.run("sh", "-c", "test $AWS_BATCH_JOB_ARRAY_INDEX != 1", arrayProperties={"size": 3})
    assert (job["status"], job["statusReason"]) == ("FAILED", "Array Child Job failed")
    assert child_statuses(world, job["jobId"], 3) == ["SUCCEEDED", "FAILED", "SUCCEEDED"]


def test_children_are_retried_one_by_one(world: Any) -> None:
    job = world.run("sh", "-c", "test $AWS_BATCH_JOB_ARRAY_INDEX != 1 -o $AWS_BATCH_JOB_ATTEMPT = 2",
                    arrayProperties={"size": 3}, retryStrategy={"attempts": 2})  # fmt: skip
    assert job["status"] == "SUCCEEDED"
    attempts = [len(world.describe(f"{job['jobId']}:{index}")["attempts"]) for index in range(3)]
    assert attempts == [1, 2, 1]


def test_cancelling_an_array_leaves_the_children_that_run(world: Any, wait: Any) -> None:
    job_id = world.submit("sleep", "600", queue=world.queue(max_vcpus=1), arrayProperties={"size": 3})
    wait(lambda: "RUNNING" in child_statuses(world, job_id, 3))
    world.batch.cancel_job(jobId=job_id, reason="no more")
    assert child_statuses(world, job_id, 3) == ["RUNNING", "FAILED", "FAILED"]
    assert world.describe(job_id)["status"] == "PENDING"
    world.batch.terminate_job(jobId=f"{job_id}:0", reason="done")
    assert world.result(job_id)["statusReason"] == "no more"


def test_a_job_after_an_array_waits_for_all_children(world: Any) -> None:
    array = world.submit("sleep", "0.2", arrayProperties={"size": 3})
    after = world.result(world.submit("true", dependsOn=[{"jobId": array}]))
    assert after["startedAt"] >= max(world.describe(f"{array}:{index}")["stoppedAt"] for index in range(3))


def test_sequential_children_run_one_after_the_other_until_one_fails(world: Any) -> None:
    job = world.run("sh", "-c", "test $AWS_BATCH_JOB_ARRAY_INDEX -lt 2", arrayProperties={"size": 4},
                    dependsOn=[{"type": "SEQUENTIAL"}])  # fmt: skip
    children = [world.describe(f"{job['jobId']}:{index}") for index in range(4)]
    assert [child["status"] for child in children] == ["SUCCEEDED", "SUCCEEDED", "FAILED", "FAILED"]
    assert [child["startedAt"] for child in children[1:3]] >= [child["stoppedAt"] for child in children[:2]]
    assert children[3]["statusReason"] == "Dependent Job failed"


def test_n_to_n_children_depend_on_their_counterparts(world: Any) -> None:
    first = world.submit("sh", "-c", "sleep 0.$AWS_BATCH_JOB_ARRAY_INDEX; test $AWS_BATCH_JOB_ARRAY_INDEX != 1",
                         arrayProperties={"size": 3})  # fmt: skip
    second = world.submit("true", arrayProperties={"size": 3}, dependsOn=[{"jobId": first, "type": "N_TO_N"}])
    assert world.result(second)["status"] == "FAILED"
    assert child_statuses(world, second, 3) == ["SUCCEEDED", "FAILED", "SUCCEEDED"]


def test_a_hundred_short_children_cost_little_beyond_their_processes(world: Any) -> None:
    begin = time.monotonic()
    job = world.run("true", arrayProperties={"size": 100})
    assert job["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 100
    assert time.monotonic() - begin < 10


def test_children_are_listed_in_pages(world: Any) -> None:
    job = world.run("true", arrayProperties={"size": 5})
    found: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = world.batch.list_jobs(arrayJobId=job["jobId"], jobStatus="SUCCEEDED", maxResults=2, **more)
        found += [item["jobId"] for item in page["jobSummaryList"]]
        assert len(page["jobSummaryList"]) <= 2
        if "nextToken" not in page:
            break
        more = {"nextToken": page["nextToken"]}
    assert sorted(found) == [f"{job['jobId']}:{index}" for index in range(5)]
    assert len(found) == 5
