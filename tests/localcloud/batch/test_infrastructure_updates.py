"""New instances for an environment, and the jobs that run on the old ones."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.slow

HOST = {"onStatusReason": "Host EC2*", "action": "RETRY"}
FOR_EVER = ("sleep", "600")


def running(world: Any, policy: dict[str, Any], **more: Any) -> tuple[str, str]:
    """Start a job on a separate environment; return both."""
    environment = world.environment()
    world.batch.update_compute_environment(computeEnvironment=environment, updatePolicy=policy)
    queue = world.unique("queue")
    order = [{"order": 1, "computeEnvironment": environment}]
    world.batch.create_job_queue(jobQueueName=queue, priority=1, computeEnvironmentOrder=order)
    job = world.submit(*FOR_EVER, queue=queue, **more)
    world.wait_for_status(job, "RUNNING")
    return environment, job


def replace(world: Any, environment: str) -> None:
    world.batch.update_compute_environment(
        computeEnvironment=environment, computeResources={"instanceTypes": ["c6i.large", "c7i.large"]}
    )


def test_jobs_go_on_while_an_update_waits_for_them(world: Any) -> None:
    environment, job = running(world, {"terminateJobsOnUpdate": False, "jobExecutionTimeoutMinutes": 60})
    (before,) = world.tasks(job)
    replace(world, environment)
    world.run(queue="wide")  # time in which the first would have ended
    assert world.tasks(job) == [before]
    world.batch.terminate_job(jobId=job, reason="enough")
    assert world.result(job)["statusReason"] == "enough"


@pytest.mark.parametrize(
    "policy",
    [{"terminateJobsOnUpdate": True}, {"terminateJobsOnUpdate": False, "jobExecutionTimeoutMinutes": 1}],
    ids=["at once", "after the policy's minutes"],
)
def test_jobs_lose_their_host_when_an_update_does_not_wait_for_them(world: Any, policy: dict[str, Any]) -> None:
    environment, job = running(world, policy)
    replace(world, environment)
    ended = world.result(job)
    assert ended["status"] == "FAILED"
    assert ended["statusReason"].startswith("Host EC2 (instance i-")
    assert ended["statusReason"].endswith(" terminated.")
    assert "exitCode" not in ended["container"]


def test_a_job_that_lost_its_host_is_retried_as_its_strategy_says(world: Any) -> None:
    strategy = {"attempts": 2, "evaluateOnExit": [HOST, {"onReason": "*", "action": "EXIT"}]}
    environment, job = running(world, {"terminateJobsOnUpdate": True}, retryStrategy=strategy)
    replace(world, environment)
    world.tasks_of_attempt(job, 2)
    world.batch.terminate_job(jobId=job, reason="enough")
    reasons = [item["statusReason"] for item in world.result(job)["attempts"]]
    assert reasons[0].startswith("Host EC2")


def test_all_nodes_of_a_job_lose_their_hosts(world: Any) -> None:
    environment = world.environment(maxvCpus=8)
    world.batch.update_compute_environment(computeEnvironment=environment, updatePolicy={"terminateJobsOnUpdate": True})
    queue = world.unique("queue")
    order = [{"order": 1, "computeEnvironment": environment}]
    world.batch.create_job_queue(jobQueueName=queue, priority=1, computeEnvironmentOrder=order)
    job = world.submit_nodes(2, "sleep 600", queue=queue)
    world.wait_for_status(job, "RUNNING")
    replace(world, environment)
    assert world.result(job)["statusReason"].startswith("Host EC2")


def test_a_change_of_scale_replaces_no_instance(world: Any) -> None:
    environment, job = running(world, {"terminateJobsOnUpdate": True})
    world.batch.update_compute_environment(computeEnvironment=environment, computeResources={"maxvCpus": 8})
    world.run(queue="wide")
    assert world.describe(job)["status"] == "RUNNING"
    world.batch.terminate_job(jobId=job, reason="enough")
    world.result(job)
