"""The workflow of a project, run by Step Functions: jobs that `hpc` did not submit, in the queues that `hpc` uses."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.end_to_end.support import Platform

pytestmark = pytest.mark.slow
TIMEOUT_S = 90

WRITE = """
import os, boto3
bucket, _, folder = os.environ["HPC_WORKFLOW"].removeprefix("s3://").partition("/")
s3 = boto3.client("s3")
"""
SWEEP = (
    WRITE
    + """
index = int(os.environ["AWS_BATCH_JOB_ARRAY_INDEX"])
s3.put_object(Bucket=bucket, Key=f"{folder}part-{index}", Body=str(index ** 2))
"""
)
SOLVE = (
    WRITE
    + """
from mpi4py import MPI
world = MPI.COMM_WORLD
part = int(s3.get_object(Bucket=bucket, Key=f"{folder}part-{world.rank + 1}")["Body"].read())
total = world.allreduce(part)
places = world.gather(os.environ["AWS_BATCH_JOB_NODE_INDEX"])
if world.rank == 0:
    s3.put_object(Bucket=bucket, Key=f"{folder}solved", Body=f"{total} on nodes {','.join(sorted(places))}")
"""
)
REDUCE = (
    WRITE
    + """
print("the result is", s3.get_object(Bucket=bucket, Key=f"{folder}solved")["Body"].read().decode())
"""
)
LEAVE_WORD = (
    WRITE
    + """
s3.put_object(Bucket=bucket, Key=f"{folder}cleaned-up", Body="")
"""
)


def python(program: str) -> dict[str, Any]:
    return {"command": ["python", "-c", program]}


STEPS = {
    "sweep": {"size": 4, **python(SWEEP)},
    "solve": {
        "nodes": 3,
        "command": ["hpc-mpi", "mpirun", "-np", "3", "--map-by", "ppr:1:node", "python", "-c", SOLVE],
    },
    "reduce": python(REDUCE),
}


def run(platform: Platform, steps: dict[str, Any]) -> dict[str, Any]:
    """Start an execution; return how it ended."""
    client = platform.client("stepfunctions")
    (machine,) = client.list_state_machines()["stateMachines"]
    started = client.start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps(steps))
    deadline = time.monotonic() + TIMEOUT_S
    while (ended := client.describe_execution(executionArn=started["executionArn"]))["status"] == "RUNNING":
        assert time.monotonic() < deadline, f"the execution did not end within {TIMEOUT_S} s"
        time.sleep(0.2)
    return ended


def files(platform: Platform, execution: dict[str, Any]) -> list[str]:
    """Return the names of what the steps left for each other."""
    s3, found = platform.client("s3"), list[str]()
    for bucket in s3.list_buckets()["Buckets"]:
        folder = f"default/workflows/{execution['name']}/"
        listing = s3.list_objects_v2(Bucket=bucket["Name"], Prefix=folder)
        found += [item["Key"].removeprefix(folder) for item in listing.get("Contents", [])]
    return found


def test_a_sweep_then_a_solver_on_three_nodes_then_a_reduction(clients: Platform) -> None:
    ended = run(clients, STEPS)
    assert ended["status"] == "SUCCEEDED", ended
    jobs = {step: part["job"]["JobId"] for step, part in json.loads(ended["output"]).items()}
    assert clients.logs(jobs["reduce"]).splitlines() == ["the result is 14 on nodes 0,1,2"]
    assert files(clients, ended) == ["part-0", "part-1", "part-2", "part-3", "solved"]


def test_a_failed_step_ends_the_workflow_with_its_job_as_cause_after_the_job_for_failures(clients: Platform) -> None:
    broken = {**STEPS, "sweep": {"size": 2, "command": ["sh", "-c", "exit $AWS_BATCH_JOB_ARRAY_INDEX"]}}
    ended = run(clients, {**broken, "on_failure": python(LEAVE_WORD)})
    assert (ended["status"], ended["error"]) == ("FAILED", "States.TaskFailed")
    cause = json.loads(ended["cause"])
    assert cause["Status"] == "FAILED"
    assert cause["Tags"]["hpc:project"] == "default"
    assert files(clients, ended) == ["cleaned-up"]


def test_a_failure_without_a_job_for_it_ends_the_workflow_likewise(clients: Platform) -> None:
    ended = run(clients, {**STEPS, "sweep": {"size": 2, "command": ["false"]}})
    assert (ended["status"], ended["error"]) == ("FAILED", "States.TaskFailed")
    assert files(clients, ended) == []


def test_an_incomplete_input_is_refused_before_any_job(clients: Platform) -> None:
    before = clients.calls("SubmitJob")
    ended = run(clients, {"sweep": STEPS["sweep"]})
    assert (ended["status"], ended["error"]) == ("FAILED", "BadInput")
    assert '"solve": {"nodes": N' in ended["cause"]
    assert clients.calls("SubmitJob") == before


def test_what_batch_refuses_fails_the_step_in_the_words_of_batch(clients: Platform) -> None:
    ended = run(clients, {**STEPS, "sweep": {"size": 1, "command": ["true"]}})
    assert (ended["status"], ended["error"]) == ("FAILED", "Batch.ClientException")
    assert "rray" in ended["cause"]
