"""The published parameters are those that the runtime reads."""

from typing import Any

import pytest

from hpc.contract import objects
from hpc_constructs.publication import LONGEST_VALUE, Publication


def test_every_object_has_a_parameter_and_there_are_no_others(stacks: Any) -> None:
    environment = stacks.environment
    written = {item["Name"] for item in stacks.compute.of("AWS::SSM::Parameter").values()}
    names = {name for name in written if name.startswith(f"{objects.SSM_ROOT}/")}
    assert names == {
        objects.parameter_name(environment.name, "meta"),
        *(objects.parameter_name(environment.name, "queues", name) for name in environment.queues),
        *(objects.parameter_name(environment.name, "projects", name) for name in environment.projects),
        *(
            objects.parameter_name(environment.name, "definitions", project, name)
            for project in environment.projects
            for name in environment.definitions
        ),
    }


def test_the_runtime_reads_all_of_it(stacks: Any) -> None:
    environment = stacks.environment
    objects.from_json(objects.Meta, stacks.published("meta"))
    for project in environment.projects:
        assert objects.from_json(objects.Project, stacks.published("projects", project)).name == project
        for name in environment.definitions:
            read = objects.from_json(objects.Definition, stacks.published("definitions", project, name))
            assert (read.name, read.project) == (name, project)
    for name in environment.queues:
        assert objects.from_json(objects.Queue, stacks.published("queues", name)).name == name


def test_without_an_image_the_contract_says_so(dev: Any) -> None:
    assert objects.from_json(objects.Meta, dev.published("meta")).image is None


def test_with_an_image_the_contract_names_it_by_digest(wide: Any) -> None:
    meta = objects.from_json(objects.Meta, wide.published("meta"))
    assert meta.image == f"{meta.repository}@{wide.environment.image.digest}"
    assert meta.default_project == "alpha"


def test_a_queue_shows_its_limits(stacks: Any) -> None:
    loose = objects.from_json(objects.Queue, stacks.published("queues", "loosely-coupled"))
    assert (loose.kind, loose.spot, loose.definition, loose.max_vcpus) == ("single", True, "task", 512)
    tight = objects.from_json(objects.Queue, stacks.published("queues", "tightly-coupled"))
    assert (tight.kind, tight.spot, tight.efa_interfaces, tight.max_nodes) == ("multi-node", False, 1, 4)
    assert [shape.instance_type for shape in tight.shapes] == ["c5n.18xlarge"]


def test_a_definition_is_published_with_what_its_template_holds(stacks: Any) -> None:
    project = stacks.environment.default_project
    mpi = objects.from_json(objects.Definition, stacks.published("definitions", project, "mpi"))
    properties = stacks.definition("mpi", project)
    container = properties["NodeProperties"]["NodeRangeProperties"][0]["Container"]
    amounts = {item["Type"]: int(item["Value"]) for item in container["ResourceRequirements"]}
    assert amounts == {"VCPU": mpi.vcpus, "MEMORY": mpi.memory_mib}
    assert mpi.timeout_s == properties["Timeout"]["AttemptDurationSeconds"]
    assert mpi.attempts == properties["RetryStrategy"]["Attempts"]


def test_arns_are_references_to_the_resources(stacks: Any) -> None:
    project = stacks.environment.default_project
    task = objects.from_json(objects.Definition, stacks.published("definitions", project, "task"))
    assert stacks.compute.resources[task.arn.strip("${}")]["Type"] == "AWS::Batch::JobDefinition"
    queue = objects.from_json(objects.Queue, stacks.published("queues", "on-demand"))
    logical_id, _, attribute = queue.arn.strip("${}").partition(".")
    assert (stacks.compute.resources[logical_id]["Type"], attribute) == ("AWS::Batch::JobQueue", "JobQueueArn")


def test_a_value_that_no_parameter_can_hold_is_refused_at_synthesis() -> None:
    import aws_cdk as cdk

    publication = Publication(cdk.Stack(cdk.App(), "S"), "Contract", environment="x")
    long = objects.Project(name="p", read_buckets=tuple(f"bucket-{index}" for index in range(LONGEST_VALUE)))
    with pytest.raises(ValueError, match="/hpc/x/projects/p is longer than the 4096 characters"):
        publication.project(long)
