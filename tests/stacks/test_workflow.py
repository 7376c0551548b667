"""The workflow of a project: nothing without the option, and no permission that the project's members lack."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hpc_constructs.config import ConfigError, parse
from tests.stacks.conftest import Stacks, text

MACHINE = "AWS::StepFunctions::StateMachine"


def machine(stacks: Stacks) -> dict[str, Any]:
    (found,) = stacks.compute.of(MACHINE).values()
    return found


def role_statements(stacks: Stacks) -> dict[str, dict[str, Any]]:
    return {item["Sid"]: item for item in stacks.policy("WorkflowsbetaRole")}


def test_there_is_none_unless_the_yaml_asks_for_it(dev: Stacks, minimal: Stacks) -> None:
    assert not dev.compute.of(MACHINE)
    assert not minimal.compute.of(MACHINE)


def test_it_logs_all_without_data_and_traces(wide: Stacks) -> None:
    assert machine(wide)["LoggingConfiguration"]["Level"] == "ALL"
    assert machine(wide)["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert machine(wide)["TracingConfiguration"] == {"Enabled": True}


def test_its_role_submits_and_ends_what_the_submitters_of_the_project_do_and_nothing_more(wide: Stacks) -> None:
    submitters = {item["Sid"]: item for item in wide.policy("ProjectsbetaSubmitter")}
    role = role_statements(wide)
    for sid in ("SubmitAsJob", "TagOwnJobs", "EndOwnJobs"):
        assert role[sid] == submitters[sid]
    assert {text(item) for item in role["Submit"]["Resource"]} < {
        text(item) for item in submitters["Submit"]["Resource"]
    }
    others = {"HearOfJobs", "DescribeJobs", "DeliverLogs", "Trace"}
    assert role.keys() == {"Submit", "SubmitAsJob", "TagOwnJobs", "EndOwnJobs"} | others


def test_the_rule_by_which_step_functions_waits_is_the_only_one_that_it_may_write(wide: Stacks) -> None:
    statement = role_statements(wide)["HearOfJobs"]
    assert text(statement["Resource"]).endswith(":rule/StepFunctionsGetEventsForBatchJobsRule")
    assert statement["Action"] == ["events:DescribeRule", "events:PutRule", "events:PutTargets"]


def test_only_what_made_no_job_is_tried_again(wide: Stacks) -> None:
    states = machine(wide)["Definition"]["States"].values()
    retried = {error for state in states for item in state.get("Retry", ()) for error in item["ErrorEquals"]}
    assert retried == {"Batch.TooManyRequestsException"}


def test_every_step_waits_for_its_job_and_catches_its_failure(wide: Stacks) -> None:
    tasks = [state for state in machine(wide)["Definition"]["States"].values() if state["Type"] == "Task"]
    assert len(tasks) == 4
    for task in tasks:
        assert text(task["Resource"]).endswith(":states:::batch:submitJob.sync")
        assert [item["ErrorEquals"] for item in task["Catch"]] == [["States.ALL"]]


def test_jobs_carry_the_tags_of_the_project_and_its_share_where_the_queue_has_shares(wide: Stacks) -> None:
    states = machine(wide)["Definition"]["States"]
    assert states["sweep"]["Parameters"]["Tags"] == {"hpc:environment": "wide", "hpc:project": "beta"}
    assert states["sweep"]["Parameters"]["ShareIdentifier"] == "beta"
    assert "ShareIdentifier" not in states["solve"]["Parameters"]


def test_those_who_start_it_may_do_nothing_else(wide: Stacks) -> None:
    actions = {name for item in wide.policy("WorkflowsbetaRunners") for name in item["Action"]}
    assert {name.partition(":")[0] for name in actions} == {"states"}
    assert not {name for name in actions if "Create" in name or "Update" in name or "Delete" in name}


@pytest.mark.parametrize(
    ("workflow", "complaint"),
    [
        ("{queue: nowhere}", "queue: nowhere"),
        ("{queue: tightly-coupled}", "a single queue"),
        ("{multi_node_queue: on-demand}", "a multi-node queue"),
    ],
)
def test_its_queues_must_be_there_and_of_the_kind(workflow: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"projects: {{alpha: {{workflow: {workflow}}}}}", file="x.yaml", name="x")
    assert complaint in str(caught.value)


def test_a_submission_without_command_runs_the_parameter_of_that_name(stacks: Stacks) -> None:
    for definition in stacks.compute.of("AWS::Batch::JobDefinition").values():
        ranges = definition.get("NodeProperties", {}).get("NodeRangeProperties", [])
        containers = [item["Container"] for item in ranges] or [definition["ContainerProperties"]]
        assert [item["Command"] for item in containers] == [["sh", "-c", "Ref::command"]]
        assert "give a command" in definition["Parameters"]["command"]


def test_the_log_group_has_the_name_that_other_clients_expect_if_the_yaml_says_so(
    synthesized: Any, dev: Stacks
) -> None:
    named = synthesized("logs: {group: /aws/batch/job}")
    names = [item.get("LogGroupName") for item in named.foundation.of("AWS::Logs::LogGroup").values()]
    assert "/aws/batch/job" in names
    assert "LogGroupName" not in json.dumps(dev.foundation.of("AWS::Logs::LogGroup"))
