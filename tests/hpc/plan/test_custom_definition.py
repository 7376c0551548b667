from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.session import get_session
from botocore.validate import validate_parameters

from hpc.aws.environment import Environment
from hpc.aws.image_registry import Image
from hpc.contract import objects
from hpc.errors import BadInput
from hpc.plan import custom_definition
from hpc.plan.custom_definition import DefinitionFacts
from hpc.plan.plan import Plan, custom_definition_target, plan
from hpc.request.job_spec import JobSpec

RUN_ID = "20261122-173355-k3v9qz"
REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/own"
URI = f"{REPOSITORY}@sha256:{'a' * 64}"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:license-AbCdEf"
GOOD = Image(uri=URI, architectures=("x86_64",), entrypoint=("hpc-node",))


@pytest.fixture(scope="session")
def own(environment: Environment) -> Environment:
    """The environment, where the default project may bring images."""
    project = objects.Project(name="default", own_repository=REPOSITORY, secrets=(SECRET,))
    queues = {name: replace(queue, architecture="x86_64") for name, queue in environment.queues.items()}
    return replace(environment, queues=queues, projects=environment.projects | {"default": project})


def container() -> dict[str, Any]:
    """What DescribeJobDefinitions shows, with its empty members."""
    return {
        "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/hpc@sha256:0",
        "command": [],
        "jobRoleArn": "arn:aws:iam::123456789012:role/job",
        "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
        "volumes": [{"name": "run-hpc", "host": {"sourcePath": "/run/hpc"}}],
        "mountPoints": [{"containerPath": "/run/hpc", "readOnly": True, "sourceVolume": "run-hpc"}],
        "environment": [{"name": "HPC_PROJECT", "value": "default"}],
        "ulimits": [],
        "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}],
        "secrets": [{"name": "TOKEN", "valueFrom": f"{SECRET}:token::"}],
        "linuxParameters": {"devices": [], "initProcessEnabled": True, "tmpfs": []},
    }


def base(**more: Any) -> dict[str, Any]:
    return {
        "jobDefinitionName": "hpc-dev-default-task",
        "jobDefinitionArn": "arn:aws:batch:us-east-1:123456789012:job-definition/hpc-dev-default-task:3",
        "revision": 3,
        "status": "ACTIVE",
        "type": "container",
        "parameters": {},
        "retryStrategy": {"attempts": 3, "evaluateOnExit": [{"onReason": "*", "action": "EXIT"}]},
        "containerProperties": container(),
        "timeout": {"attemptDurationSeconds": 3600},
        "tags": {"hpc:project": "default"},
        "propagateTags": True,
        "platformCapabilities": ["EC2"],
        "containerOrchestrationType": "ECS",
        **more,
    }


def made(own: Environment, found: DefinitionFacts, **options: Any) -> Plan:
    options = {"image": f"{REPOSITORY}:v1"} | options
    return plan(JobSpec(command=("true",), **options), own, RUN_ID, found)


def complaints(own: Environment, found: DefinitionFacts | None, **options: Any) -> list[str]:
    with pytest.raises(BadInput) as caught:
        plan(JobSpec(command=("true",), **options), own, RUN_ID, found)
    return caught.value.complaints


def check_shape(request: dict[str, Any]) -> None:
    shape = get_session().get_service_model("batch").operation_model("RegisterJobDefinition").input_shape
    validate_parameters(request, shape)


def test_the_plan_brings_the_projects_definition_with_the_image_and_the_job_names_it(own: Environment) -> None:
    ready = made(own, DefinitionFacts(base=base(), image=GOOD))
    request = ready.definition
    assert request is not None
    check_shape(request)
    assert request["jobDefinitionName"].startswith("hpc_dev_default_task_")
    properties = request["containerProperties"]
    assert (properties["image"], properties["user"], properties["privileged"]) == (URI, "1000", False)
    assert properties["volumes"] == container()["volumes"]
    assert properties["jobRoleArn"] == container()["jobRoleArn"]
    assert "command" not in properties
    assert request["tags"]["hpc:project"] == "default"
    assert request["retryStrategy"] == base()["retryStrategy"]
    assert [job["jobDefinition"] for job in ready.jobs] == [request["jobDefinitionName"]]
    assert ready.request.image == URI


def test_planning_changes_nothing_and_gives_the_same_again(own: Environment) -> None:
    found = DefinitionFacts(base=base(), image=GOOD)
    before = copy.deepcopy(found)
    assert made(own, found) == made(own, found)
    assert found == before


@pytest.mark.parametrize(
    ("found", "options"),
    [
        (DefinitionFacts(base=base(), image=replace(GOOD, uri=URI.replace("a" * 64, "b" * 64))), {}),
        (DefinitionFacts(base=base(timeout={"attemptDurationSeconds": 60}), image=GOOD), {}),
        (DefinitionFacts(base=base(), image=GOOD), {"secrets": {"LICENSE": SECRET}}),
    ],
)
def test_other_content_has_another_name(own: Environment, found: DefinitionFacts, options: dict[str, Any]) -> None:
    one, other = made(own, DefinitionFacts(base=base(), image=GOOD)), made(own, found, **options)
    assert one.definition is not None
    assert other.definition is not None
    assert one.definition["jobDefinitionName"] != other.definition["jobDefinitionName"]
    assert one.request.sha256 != other.request.sha256


def test_an_own_definition_can_be_derived_again_under_a_name_that_does_not_grow(own: Environment) -> None:
    name = f"hpc_dev_default_task_{'0' * 16}"
    named = custom_definition.as_published(base(jobDefinitionName=name), "default")
    environment = replace(own, definitions=own.definitions | {("default", name): named})
    request = made(environment, DefinitionFacts(base=base(), image=GOOD), definition=name).definition
    assert request is not None
    assert len(request["jobDefinitionName"]) == len(name)


def test_every_node_range_gets_the_image(own: Environment) -> None:
    ranges = [{"targetNodes": "0:", "container": container()}]
    multi = base(type="multinode", nodeProperties={"mainNode": 0, "numNodes": 2, "nodeRangeProperties": ranges})
    del multi["containerProperties"]
    ready = made(own, DefinitionFacts(base=multi, image=GOOD), nodes=2, slots_per_node=36)
    assert ready.definition is not None
    check_shape(ready.definition)
    (item,) = ready.definition["nodeProperties"]["nodeRangeProperties"]
    assert (item["targetNodes"], item["container"]["image"], item["container"]["user"]) == ("0:", URI, "1000")
    assert ready.request.slots_per_node == 36


def test_secrets_join_those_of_the_definition_and_stand_nowhere_else(own: Environment) -> None:
    ready = made(own, DefinitionFacts(base=base()), image=None, secrets={"LICENSE": f"{SECRET}:key::"})
    assert ready.definition is not None
    properties = ready.definition["containerProperties"]
    assert {item["name"]: item["valueFrom"] for item in properties["secrets"]} == {
        "LICENSE": f"{SECRET}:key::",
        "TOKEN": f"{SECRET}:token::",
    }
    assert properties["image"] == container()["image"]
    assert "LICENSE" not in json.dumps([*ready.jobs, ready.request.to_json()])


def test_the_barriers_of_many_parents_run_the_deployed_definition(own: Environment) -> None:
    ready = made(own, DefinitionFacts(base=base(), image=GOOD), after=tuple(f"job-{number}" for number in range(30)))
    assert {job["jobDefinition"] for job in ready.barriers} == {base()["jobDefinitionArn"]}


def test_an_image_for_another_architecture_is_refused(own: Environment) -> None:
    found = DefinitionFacts(base=base(), image=replace(GOOD, architectures=("arm64",)))
    (line,) = complaints(own, found, image=f"{REPOSITORY}:v1")
    assert (
        "is for arm64, the instances of queue loosely-coupled are x86_64; build it with --platform linux/amd64" in line
    )


def test_an_image_that_does_not_start_hpc_node_is_refused_with_the_lines_to_add(own: Environment) -> None:
    found = DefinitionFacts(base=base(), image=replace(GOOD, entrypoint=("/bin/sh", "-c")))
    (line,) = complaints(own, found, image=f"{REPOSITORY}:v1")
    assert "starts /bin/sh -c, not hpc-node" in line
    assert f"begin its Dockerfile with FROM {own.meta.image}" in line
    assert 'install this runtime in it and set ENTRYPOINT ["hpc-node"]' in line


@pytest.mark.parametrize("entrypoint", [("/opt/venv/bin/hpc-node",), ("tini", "--", "hpc-node"), None])
def test_hpc_node_may_stand_anywhere_in_the_entrypoint(own: Environment, entrypoint: tuple[str, ...] | None) -> None:
    assert made(own, DefinitionFacts(base=base(), image=replace(GOOD, entrypoint=entrypoint))).definition


def test_why_there_is_no_image_is_said_with_all_other_complaints(own: Environment) -> None:
    found = DefinitionFacts(base=base(), complaint="--image x: no such image")
    assert complaints(own, found, image=f"{REPOSITORY}:v1", retries=99) == [
        "--retries 99: 0 to 9 are allowed",
        "--image x: no such image",
    ]


def test_a_project_without_developer_policy_hears_which_line_is_missing(own: Environment) -> None:
    spec = JobSpec(command=("true",), project="climate", image=f"{REPOSITORY}:v1", secrets={"A": SECRET})
    assert custom_definition_target(spec, own) is None
    lines = complaints(own, None, project="climate", image=f"{REPOSITORY}:v1", secrets={"A": SECRET})
    assert "--image and --secret: project climate" in lines[0]
    assert "`own_images: true` to projects.climate of environments/dev.yaml" in lines[0]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("python:3.13", "write registry/name:tag or registry/name@sha256:"),
        ("docker.io/library/python:3.13", "`image_sources: [docker.io/library/python]` in projects.default"),
        (f"{REPOSITORY}x:v1", "project default takes images of"),
    ],
)
def test_an_image_that_the_developer_policy_refuses_is_refused_here(
    own: Environment, image: str, expected: str
) -> None:
    assert custom_definition_target(JobSpec(command=("true",), image=image), own) is None
    (line,) = complaints(own, None, image=image)
    assert expected in line


@pytest.mark.parametrize(
    ("name", "arn", "expected"),
    [
        ("A", SECRET.replace("license", "payroll"), "adds it to `secrets: [arn:aws:secretsmanager:"),
        ("HPC_A", SECRET, "the name becomes a variable"),
        ("1A", SECRET, "the name becomes a variable"),
    ],
)
def test_a_secret_that_the_project_does_not_list_or_cannot_be_named_so_is_refused(
    own: Environment, name: str, arn: str, expected: str
) -> None:
    assert expected in complaints(own, DefinitionFacts(base=base()), secrets={name: arn})[0]


def test_a_secret_given_by_its_value_is_refused_and_not_repeated(own: Environment) -> None:
    (line,) = complaints(own, None, secrets={"A": "hunter2"})
    assert "not its value" in line
    assert "hunter2" not in line


def test_a_secret_takes_no_name_that_another_variable_has(own: Environment) -> None:
    (line,) = complaints(own, DefinitionFacts(base=base()), secrets={"A": SECRET}, environment={"A": "1"})
    assert line == "--secret A: the name is taken by another variable"


def test_a_definition_that_is_too_long_for_batch_is_refused(own: Environment) -> None:
    large = base()
    large["containerProperties"]["environment"] = [{"name": "A", "value": "x" * 24_000}]
    (line,) = complaints(own, DefinitionFacts(base=large, image=GOOD), image=f"{REPOSITORY}:v1")
    assert "AWS Batch takes 24,576" in line


@pytest.mark.parametrize("slots", [0, 73])
def test_more_slots_than_vcpus_are_refused(own: Environment, slots: int) -> None:
    (line,) = complaints(own, None, nodes=2, slots_per_node=slots)
    assert f"--slots-per-node {slots}: a node of this job has 72 vCPUs" in line
    assert "c5n.18xlarge" in line


def test_slots_are_for_multi_node_jobs(own: Environment) -> None:
    (line,) = complaints(own, None, slots_per_node=2)
    assert line.startswith("--slots-per-node 2: it is for multi-node jobs")


def test_a_secret_for_a_definition_whose_image_the_developer_policy_refuses_is_refused_here(own: Environment) -> None:
    licensed = replace(own.definitions["default", "task"], name="licensed", image=f"docker.io/a/b@sha256:{'0' * 64}")
    environment = replace(own, definitions=own.definitions | {("default", "licensed"): licensed})
    (line,) = complaints(environment, None, definition="licensed", secrets={"A": SECRET})
    assert "--secret with --definition licensed, whose image is docker.io/a/b@" in line
    assert "`image_sources: [docker.io/a/b]`" in line


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        (base(), True),
        ({"type": "container", "ecsProperties": {"taskProperties": []}}, False),
        ({"type": "container", "eksProperties": {"podProperties": {}}}, False),
        ({"type": "multinode", "nodeProperties": {"nodeRangeProperties": [{"ecsProperties": {}}]}}, False),
        ({"type": "multinode", "nodeProperties": {"nodeRangeProperties": [{"container": container()}]}}, True),
    ],
)
def test_what_other_clients_registered_in_other_forms_is_left_out(described: dict[str, Any], expected: bool) -> None:
    assert custom_definition.is_readable(described) is expected


def test_a_definition_of_the_same_name_with_other_rights_is_not_the_same(own: Environment) -> None:
    request = made(own, DefinitionFacts(base=base(), image=GOOD)).definition
    assert request is not None
    assert custom_definition.same(request, request)
    other = copy.deepcopy(request)
    other["containerProperties"]["image"] = "elsewhere"
    assert not custom_definition.same(other, request)
