"""The integration of Step Functions with Batch: names in PascalCase, refusals in the words of Batch."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.localcloud.conftest import World, wait_for

pytestmark = pytest.mark.slow


def run(world: World, name: str, resource: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Run a state machine of one task; return how the execution ended."""
    client = world.client("stepfunctions")
    task = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": parameters, "End": True}
    machine = client.create_state_machine(
        name=name,
        definition=json.dumps({"StartAt": "job", "States": {"job": task}}),
        roleArn="arn:aws:iam::000000000000:role/states",
    )["stateMachineArn"]
    execution = client.start_execution(stateMachineArn=machine)["executionArn"]

    def ended() -> Any:
        described = client.describe_execution(executionArn=execution)
        return described if described["status"] != "RUNNING" else None

    return wait_for(ended)


def job(**changes: Any) -> dict[str, Any]:
    return {"JobName": "sfn", "JobQueue": "wide", "JobDefinition": "task", **changes}


def test_without_sync_the_answer_is_that_of_submit_job(world: World) -> None:
    ended = run(world, "plain", "batch:submitJob", job(ContainerOverrides={"Command": ["true"]}))
    assert ended["status"] == "SUCCEEDED", ended
    assert set(json.loads(ended["output"])) >= {"JobArn", "JobId", "JobName"}


def test_with_sync_the_answer_is_the_job_that_ended_and_keys_of_maps_stay_as_they_are(world: World) -> None:
    given = job(ContainerOverrides={"Command": ["true"]}, Tags={"my:tag": "x"})
    ended = run(world, "sync", "batch:submitJob.sync", given)
    assert ended["status"] == "SUCCEEDED", ended
    output = json.loads(ended["output"])
    assert (output["Status"], output["Container"]["ExitCode"], output["Tags"]) == ("SUCCEEDED", 0, {"my:tag": "x"})


def test_a_failed_job_fails_the_task_with_the_job_as_cause(world: World) -> None:
    ended = run(world, "failed", "batch:submitJob.sync", job(ContainerOverrides={"Command": ["false"]}))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(ended["cause"])["Container"]["ExitCode"] == 1


def test_what_batch_refuses_fails_the_task_under_the_name_of_its_error(world: World) -> None:
    ended = run(world, "refused", "batch:submitJob.sync", job(JobQueue="no-such-queue"))
    assert (ended["status"], ended["error"]) == ("FAILED", "Batch.ClientException")
    assert "no-such-queue" in ended["cause"]


def test_a_field_that_submit_job_does_not_have_is_refused(world: World) -> None:
    ended = run(world, "unknown", "batch:submitJob", job(jobNam="camel"))
    assert ended["error"] == "States.Runtime"
    assert "'jobNam' is not supported by Step Functions" in ended["cause"]


def test_what_is_not_modelled_is_refused_loudly(world: World) -> None:
    ended = run(world, "other", "batch:submitJob.sync:2", job())
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Runtime")
