"""Operations for tests, with the process executor."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

pytestmark = pytest.mark.slow

NOTICE_S = 120 * 0.02
HOST = {
    "volumes": [{"name": "host", "host": {"sourcePath": "/run/hpc"}}],
    "mountPoints": [{"sourceVolume": "host", "containerPath": "/run/hpc", "readOnly": True}],
    "environment": [{"name": "HOST", "value": "/run/hpc"}],
}
RETRY = {"attempts": 2, "evaluateOnExit": [{"onStatusReason": "Host EC2*", "action": "RETRY"}]}
NOTICED = "while ! cat $HOST/spot-notice 2>/dev/null; do sleep 0.02; done; sleep 600"


def test_a_reclaimed_spot_instance_is_announced_to_its_job_alone(world: Any) -> None:
    queue = world.queue(type="SPOT", allocationStrategy="SPOT_PRICE_CAPACITY_OPTIMIZED")
    script = f'test "$AWS_BATCH_JOB_ATTEMPT" = 1 || exit 0; {NOTICED}'
    definition = world.define("", "sh", "-c", script, container=HOST, retryStrategy=RETRY)
    job, other = (world.submit(definition=definition, queue=queue) for _ in range(2))
    for item in (job, other):
        world.wait_for_status(item, "RUNNING")
    asked = time.monotonic()
    instance = world.cloud.reclaim(job)
    ended = world.result(job)
    assert time.monotonic() - asked >= NOTICE_S
    assert (ended["status"], len(ended["attempts"])) == ("SUCCEEDED", 2)
    assert ended["attempts"][0]["statusReason"] == f"Host EC2 (instance {instance}) terminated."
    assert json.loads(world.lines(ended["attempts"][0])[0])["action"] == "terminate"
    assert world.lines(world.describe(other)) == []
    world.batch.terminate_job(jobId=other, reason="seen")


def test_an_instance_that_is_not_spot_fails_without_notice(world: Any) -> None:
    job = world.submit(definition=world.define("", "sh", "-c", NOTICED, container=HOST))
    world.wait_for_status(job, "RUNNING")
    world.cloud.reclaim(job)
    ended = world.result(job)
    assert ended["statusReason"].startswith("Host EC2 (instance i-")
    assert world.lines(ended) == []


def test_of_a_multi_node_job_one_node_alone_can_lose_its_instance(world: Any, wait: Any) -> None:
    job = world.submit_nodes(3, "sleep 600")
    wait(lambda: len(world.tasks(job)) == 3)
    world.cloud.reclaim(f"{job}#1")
    assert world.result(f"{job}#1")["statusReason"].startswith("Host EC2")
    assert world.describe(job)["status"] == "RUNNING"
    world.cloud.reclaim(f"{job}#0")
    assert world.result(job)["statusReason"].startswith("Host EC2")


def test_a_killed_container_has_exit_code_137(world: Any) -> None:
    job = world.submit("sleep", "600")
    world.wait_for_status(job, "RUNNING")
    world.cloud.kill(job)
    assert world.result(job)["attempts"][0]["container"]["exitCode"] == 137


def test_what_cannot_be_done_is_refused_with_the_reason(world: Any) -> None:
    with pytest.raises(ValueError, match="no container of this job"):
        world.cloud.kill("unknown")
    with pytest.raises(ValueError, match="there are jobs, list-lag-s, reclaim, kill, cut"):
        world.cloud.admin("explode")
    job = world.submit("sleep", "600")
    world.wait_for_status(job, "RUNNING")
    with pytest.raises(ValueError, match="does not model networks between processes"):
        world.cloud.cut(job)
    world.batch.terminate_job(jobId=job, reason="seen")
