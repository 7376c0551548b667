"""Fair share, and jobs that block a queue for too long."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.slow

MAX_RESOURCE = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"


def limit(reason: str = MAX_RESOURCE, **changes: Any) -> dict[str, Any]:
    return {"state": "RUNNABLE", "action": "CANCEL", "maxTimeSeconds": 600, "reason": reason} | changes


def queue(world: Any, max_vcpus: int = 1, **more: Any) -> str:
    name = world.unique("queue")
    order = [{"order": 1, "computeEnvironment": world.environment(maxvCpus=max_vcpus)}]
    world.batch.create_job_queue(jobQueueName=name, priority=1, computeEnvironmentOrder=order, **more)
    return name


def policy(world: Any, **fair_share: Any) -> str:
    return world.batch.create_scheduling_policy(name=world.unique("policy"), fairsharePolicy=fair_share)["arn"]


def large(vcpus: int, *command: str) -> dict[str, Any]:
    return {"resourceRequirements": [{"type": "VCPU", "value": str(vcpus)}], "command": list(command) or ["true"]}


def test_a_job_that_blocks_the_queue_for_too_long_is_cancelled_and_the_next_one_runs(hasty: Any) -> None:
    name = queue(hasty, jobStateTimeLimitActions=[limit()])
    blocker = hasty.submit(queue=name, containerOverrides=large(2))
    behind = hasty.submit("true", queue=name)
    assert hasty.describe(behind)["status"] != "SUCCEEDED"
    job = hasty.result(blocker)
    assert job["status"] == "FAILED"
    assert job["statusReason"] == f"Canceled by JobStateTimeLimit action due to reason: {MAX_RESOURCE}"
    assert hasty.result(behind)["status"] == "SUCCEEDED"


def test_a_limit_for_another_reason_leaves_the_job_where_it_is(hasty: Any) -> None:
    name = queue(hasty, jobStateTimeLimitActions=[limit("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY")])
    other = queue(hasty, jobStateTimeLimitActions=[limit()])
    waits = hasty.submit(queue=name, containerOverrides=large(2))
    hasty.result(hasty.submit(queue=other, containerOverrides=large(2)))
    assert hasty.describe(waits)["status"] == "RUNNABLE"
    hasty.batch.cancel_job(jobId=waits, reason="seen")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"maxTimeSeconds": 599}, "between 600 and 86400"),
        ({"maxTimeSeconds": 86401}, "between 600 and 86400"),
        ({"reason": "BORED"}, "must be one of"),
        ({"action": "TERMINATE"}, "action CANCEL"),
    ],
)
def test_limits_that_the_service_refuses(world: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        queue(world, jobStateTimeLimitActions=[limit(**changes)])


@pytest.mark.parametrize(
    ("fair_share", "message"),
    [
        ({"shareDecaySeconds": 604801}, "between 0 and 604800"),
        ({"computeReservation": 100}, "between 0 and 99"),
        ({"shareDistribution": [{"shareIdentifier": "a-b"}]}, "letters and digits"),
        ({"shareDistribution": [{"shareIdentifier": "a", "weightFactor": 1000}]}, "between 0.0001"),
        ({"shareDistribution": [{"shareIdentifier": "a*"}, {"shareIdentifier": "ab"}]}, "overlaps"),
    ],
)
def test_policies_that_the_service_refuses(world: Any, fair_share: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        policy(world, **fair_share)


def test_a_share_of_a_lower_weight_gets_more(world: Any, wait: Any) -> None:
    shares = {"shareDistribution": [{"shareIdentifier": "light*", "weightFactor": 0.25}]}
    name = queue(world, max_vcpus=3, schedulingPolicyArn=policy(world, **shares))
    first = world.submit(queue=name, shareIdentifier="other", containerOverrides=large(3, "sleep", "30"))
    world.wait_for_status(first, "RUNNING")
    jobs = {
        share: [world.submit("sleep", "30", queue=name, shareIdentifier=share) for _ in range(3)]
        for share in ("other", "light1")
    }
    world.batch.terminate_job(jobId=first, reason="the others' turn")

    def running() -> dict[str, int] | None:
        counts = {
            share: sum(world.describe(job)["status"] == "RUNNING" for job in found) for share, found in jobs.items()
        }
        return counts if sum(counts.values()) == 3 else None

    assert wait(running, 10) == {"other": 1, "light1": 2}
    for job in (job for found in jobs.values() for job in found):
        world.batch.terminate_job(jobId=job, reason="seen")


def test_a_policy_is_changed_in_place(world: Any) -> None:
    arn = policy(world, shareDecaySeconds=600)
    world.batch.update_scheduling_policy(arn=arn, fairsharePolicy={"shareDecaySeconds": 1200})
    (found,) = world.batch.describe_scheduling_policies(arns=[arn])["schedulingPolicies"]
    assert found["fairsharePolicy"] == {"shareDecaySeconds": 1200}
