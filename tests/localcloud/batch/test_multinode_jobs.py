"""Multi-node parallel jobs: N containers, each with an address and a log stream."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

pytestmark = pytest.mark.slow

SHOW = """
python -c 'import json, os; print(json.dumps(dict(os.environ)))'
if [ $AWS_BATCH_JOB_NODE_INDEX = 0 ]; then sleep 0.7; else sleep 600; fi
"""

SHOW_METADATA = """
python -c '
import os, urllib.request
print(urllib.request.urlopen(os.environ["ECS_CONTAINER_METADATA_URI_V4"]).read().decode())
'
sleep 600
"""


def environments(world: Any, job_id: str, nodes: int) -> list[dict[str, str]]:
    return [json.loads(world.lines(world.describe(f"{job_id}#{node}"))[0]) for node in range(nodes)]


def test_every_node_knows_its_place(world: Any) -> None:
    job = world.result(world.submit_nodes(3, SHOW))
    assert job["status"] == "SUCCEEDED"
    assert job["nodeProperties"]["numNodes"] == 3
    found = environments(world, job["jobId"], 3)
    for node, env in enumerate(found):
        assert env["AWS_BATCH_JOB_ID"] == f"{job['jobId']}#{node}"
        assert env["AWS_BATCH_JOB_NODE_INDEX"] == str(node)
        assert env["AWS_BATCH_JOB_NUM_NODES"] == "3"
        assert env["AWS_BATCH_JOB_MAIN_NODE_INDEX"] == "0"
    main = world.describe(f"{job['jobId']}#0")["container"]["networkInterfaces"][0]["privateIpv4Address"]
    assert "AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS" not in found[0]
    assert [env["AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"] for env in found[1:]] == [main, main]


def test_every_node_has_an_address_and_a_stream_of_its_own(world: Any, wait: Any) -> None:
    ids = [world.submit_nodes(3, SHOW_METADATA) for _ in range(2)]
    addresses, streams = set(), set()
    for job_id in ids:
        wait(lambda job_id=job_id: len(world.tasks(job_id)) == 3)
        for node in range(3):
            detail = world.describe(f"{job_id}#{node}")
            line = wait(lambda detail=detail: world.lines(detail))[0]
            address = detail["container"]["networkInterfaces"][0]["privateIpv4Address"]
            assert json.loads(line)["Networks"] == [{"NetworkMode": "awsvpc", "IPv4Addresses": [address]}]
            assert detail["nodeDetails"] == {"nodeIndex": node, "isMainNode": node == 0}
            addresses.add(address)
            streams.add(detail["container"]["logStreamName"])
    assert len(addresses) == len(streams) == 6
    assert all(address.startswith("127.") for address in addresses)
    for job_id in ids:
        world.batch.terminate_job(jobId=job_id, reason="done")
        assert world.result(job_id)["statusReason"] == "done"
        assert world.tasks(job_id) == []


def test_the_other_nodes_start_after_the_main_node(world: Any) -> None:
    job = world.result(world.submit_nodes(4, "sleep 0.3"))
    started = [world.describe(f"{job['jobId']}#{node}")["startedAt"] for node in range(4)]
    assert min(started) == started[0]


def test_the_main_nodes_exit_code_is_the_jobs_and_ends_the_others(world: Any) -> None:
    script = "if [ $AWS_BATCH_JOB_NODE_INDEX = 0 ]; then sleep 0.3; exit 5; fi; sleep 600"
    job = world.result(world.submit_nodes(3, script))
    assert (job["status"], job["attempts"][0]["container"]["exitCode"]) == ("FAILED", 5)
    assert [world.describe(f"{job['jobId']}#{node}")["container"]["exitCode"] for node in (1, 2)] == [143, 143]


def test_a_killed_node_does_not_stop_the_others(world: Any, wait: Any) -> None:
    job_id = world.submit_nodes(4, "sleep 600")
    wait(lambda: len(world.tasks(job_id)) == 4)
    victim = next(task for task in world.tasks(job_id) if task["node"] == 2)
    os.kill(victim["pid"], signal.SIGKILL)
    node = world.result(f"{job_id}#2")
    assert (node["status"], node["container"]["exitCode"]) == ("FAILED", 137)
    assert world.describe(job_id)["status"] == "RUNNING"
    assert sorted(task["node"] for task in world.tasks(job_id)) == [0, 1, 3]
    world.batch.terminate_job(jobId=job_id, reason="done")


def test_only_a_failed_main_node_makes_a_new_attempt_of_all_nodes(world: Any) -> None:
    script = """
        echo $AWS_BATCH_JOB_ATTEMPT
        if [ $AWS_BATCH_JOB_NODE_INDEX = 0 ]; then sleep 0.3; test $AWS_BATCH_JOB_ATTEMPT = 2; else exit 1; fi"""
    job = world.result(world.submit_nodes(2, script, retryStrategy={"attempts": 3}))
    assert (job["status"], len(job["attempts"])) == ("SUCCEEDED", 2)
    assert [world.lines(world.describe(f"{job['jobId']}#{node}")) for node in (0, 1)] == [["2"], ["2"]]


def test_the_timeout_holds_for_the_whole_job(world: Any) -> None:
    job = world.result(world.submit_nodes(2, "sleep 600", timeout={"attemptDurationSeconds": 60}))
    assert (job["status"], job["statusReason"]) == ("FAILED", "Job attempt duration exceeded timeout")


def test_all_nodes_count_against_maxvcpus_and_none_against_the_host_slots(world: Any, wait: Any) -> None:
    queue = world.queue(max_vcpus=8)
    large, next_one = (world.submit_nodes(6, "sleep 600", queue=queue) for _ in range(2))
    wait(lambda: len(world.tasks(large)) == 6)
    assert world.describe(next_one)["status"] == "RUNNABLE"
    for job_id in (next_one, large):
        world.batch.terminate_job(jobId=job_id, reason="done")
        world.result(job_id)


@pytest.mark.parametrize(
    ("changes", "nodes", "reason"),
    [
        ({"type": "SPOT", "allocationStrategy": "SPOT_PRICE_CAPACITY_OPTIMIZED"}, 2, "JOB_RESOURCE_REQUIREMENT"),
        ({}, 5, "COMPUTE_ENVIRONMENT_MAX_RESOURCE"),
    ],
)
def test_what_no_environment_can_take_waits_with_the_reason(
    world: Any, wait: Any, changes: dict[str, Any], nodes: int, reason: str
) -> None:
    job_id = world.submit_nodes(nodes, "true", queue=world.queue(max_vcpus=4, **changes))
    wait(lambda: "statusReason" in world.describe(job_id))
    assert world.describe(job_id)["status"] == "RUNNABLE"
    assert world.describe(job_id)["statusReason"] == f"MISCONFIGURATION:{reason}"


def test_nodes_are_listed_by_their_job(world: Any) -> None:
    job = world.result(world.submit_nodes(3, "sleep 0.2"))
    listed = [
        item
        for status in ("SUCCEEDED", "FAILED")
        for item in world.batch.list_jobs(multiNodeJobId=job["jobId"], jobStatus=status)["jobSummaryList"]
    ]
    assert sorted(item["jobId"] for item in listed) == [f"{job['jobId']}#{node}" for node in range(3)]
    assert [item["nodeProperties"]["nodeIndex"] for item in listed if item["nodeProperties"]["isMainNode"]] == [0]
