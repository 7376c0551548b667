"""Job definitions."""

import re
from typing import Any

from hpc.contract import objects, variables
from hpc_constructs.config.sizing import size_of

KIND = "AWS::Batch::JobDefinition"


def containers(stacks: Any) -> dict[str, dict[str, Any]]:
    """Container of every definition, by the definition's name."""
    found = {}
    for item in stacks.compute.of(KIND).values():
        if item["Type"] == "container":
            container = item["ContainerProperties"]
        else:
            (node_range,) = item["NodeProperties"]["NodeRangeProperties"]
            container = node_range["Container"]
        found[item["JobDefinitionName"]] = container
    return found


def multi_node(stacks: Any) -> list[dict[str, Any]]:
    return [item for item in stacks.compute.of(KIND).values() if item["Type"] == "multinode"]


def amounts(container: dict[str, Any]) -> dict[str, int]:
    return {item["Type"]: int(item["Value"]) for item in container["ResourceRequirements"]}


def test_every_project_has_every_definition_by_its_name(wide: Any) -> None:
    expected = {f"hpc-wide-{project}-{name}" for project in ("alpha", "beta") for name in wide.environment.definitions}
    assert set(containers(wide)) == expected


def test_the_range_of_nodes_is_open(stacks: Any) -> None:
    for item in multi_node(stacks):
        (node_range,) = item["NodeProperties"]["NodeRangeProperties"]
        assert node_range["TargetNodes"] == "0:"
        assert item["NodeProperties"]["MainNode"] == 0


def test_a_node_fills_its_instance_but_for_what_the_host_needs(stacks: Any) -> None:
    size = size_of(stacks.environment, "mpi")
    project = stacks.environment.default_project
    container = containers(stacks)[f"hpc-{stacks.environment.name}-{project}-mpi"]
    assert amounts(container) == {"VCPU": 72, "MEMORY": size.memory_mib}
    assert size.memory_mib <= 0.94 * 196608


def test_devices_are_as_many_as_the_efa_interfaces_of_the_instances(stacks: Any) -> None:
    for name, queue in stacks.environment.queues.items():
        if queue.kind != "multi-node":
            continue
        (environment,) = queue.compute_environments
        interfaces = stacks.launch_template_of(environment).get("NetworkInterfaces", [])
        expected = [
            f"/dev/infiniband/uverbs{index}" for index in range(sum(i["InterfaceType"] == "efa" for i in interfaces))
        ]
        definition = stacks.definition(queue.default_definition, stacks.environment.default_project)
        container = definition["NodeProperties"]["NodeRangeProperties"][0]["Container"]
        devices = container["LinuxParameters"].get("Devices", [])
        assert [device["HostPath"] for device in devices] == expected, name


def test_single_definitions_have_no_devices(stacks: Any) -> None:
    for item in stacks.compute.of(KIND).values():
        if item["Type"] == "container":
            assert "Devices" not in item["ContainerProperties"]["LinuxParameters"]


def test_nodes_may_lock_all_memory(stacks: Any) -> None:
    for item in multi_node(stacks):
        container = item["NodeProperties"]["NodeRangeProperties"][0]["Container"]
        assert {"Name": "memlock", "SoftLimit": -1, "HardLimit": -1} in container["Ulimits"]


def test_shared_memory_is_more_than_dockers_64_mib(stacks: Any) -> None:
    for name, container in containers(stacks).items():
        assert container["LinuxParameters"]["SharedMemorySize"] >= 512, name
    for item in multi_node(stacks):
        container = item["NodeProperties"]["NodeRangeProperties"][0]["Container"]
        assert container["LinuxParameters"]["SharedMemorySize"] >= 0.05 * amounts(container)["MEMORY"]


def test_every_attempt_ends(stacks: Any) -> None:
    for item in stacks.compute.of(KIND).values():
        assert item["Timeout"]["AttemptDurationSeconds"] >= 60


def test_what_the_platform_lost_is_tried_again_and_nothing_else(stacks: Any) -> None:
    for item in stacks.compute.of(KIND).values():
        rules = item["RetryStrategy"]["EvaluateOnExit"]
        assert {"OnStatusReason": "Host EC2*", "Action": "RETRY"} in rules
        assert rules[-1] == {"OnReason": "*", "Action": "EXIT"}
        assert len(rules) <= 5
        assert 1 <= item["RetryStrategy"]["Attempts"] <= 10


def test_retry_patterns_hold_only_what_batch_takes(stacks: Any) -> None:
    """Letters, digits, dots, colons, white space, and an asterisk at the end
    (https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html)."""
    for item in stacks.compute.of(KIND).values():
        for rule in item["RetryStrategy"]["EvaluateOnExit"]:
            for key in {"OnReason", "OnStatusReason"} & set(rule):
                assert re.fullmatch(r"[A-Za-z0-9.:\s]*\*?", rule[key])


def test_old_revisions_stay(stacks: Any) -> None:
    for item in stacks.compute.of(KIND).values():
        assert item["ResourceRetentionPolicy"] == {"SkipDeregisterOnUpdate": True}


def test_logs_go_to_our_group(stacks: Any) -> None:
    for container in containers(stacks).values():
        logs = container["LogConfiguration"]
        assert logs["LogDriver"] == "awslogs"
        assert "LogsGroup" in logs["Options"]["awslogs-group"]["Fn::ImportValue"]


def test_containers_know_their_bucket_project_and_region_and_no_more(stacks: Any) -> None:
    for name, container in containers(stacks).items():
        found = {item["Name"]: item["Value"] for item in container["Environment"]}
        expected = {variables.ENV_BUCKET, variables.ENV_PROJECT, variables.ENV_HOST, "AWS_REGION", "AWS_DEFAULT_REGION"}
        assert set(found) - {variables.ENV_SCRATCH, variables.ENV_SHARED} == expected
        assert f"-{found[variables.ENV_PROJECT]}-" in name


def test_nothing_is_privileged(stacks: Any) -> None:
    for container in containers(stacks).values():
        assert not container.get("Privileged")
        hosts = {volume["Host"]["SourcePath"] for volume in container["Volumes"] if "Host" in volume}
        assert hosts <= {"/scratch", "/run/hpc"}


def test_containers_read_the_facts_of_the_instance(stacks: Any) -> None:
    for container in containers(stacks).values():
        assert {"Name": "run-hpc", "Host": {"SourcePath": "/run/hpc"}} in container["Volumes"]
        mount = {"SourceVolume": "run-hpc", "ContainerPath": "/run/hpc", "ReadOnly": True}
        assert mount in container["MountPoints"]
        assert {"Name": variables.ENV_HOST, "Value": "/run/hpc"} in container["Environment"]


def test_definitions_of_queues_with_instance_store_see_it_as_their_scratch(wide: Any) -> None:
    for project in wide.environment.projects:
        container = wide.definition("gpu", project)["ContainerProperties"]
        assert {"Name": "scratch", "Host": {"SourcePath": "/scratch"}} in container["Volumes"]
        mount = {"SourceVolume": "scratch", "ContainerPath": "/scratch", "ReadOnly": False}
        assert mount in container["MountPoints"]
        assert {"Name": variables.ENV_SCRATCH, "Value": "/scratch"} in container["Environment"]


def test_other_definitions_keep_their_scratch_inside_the_container(wide: Any) -> None:
    for name, container in containers(wide).items():
        if not name.endswith("-gpu"):
            assert "/scratch" not in {mount["ContainerPath"] for mount in container["MountPoints"]}
            assert variables.ENV_SCRATCH not in {item["Name"] for item in container["Environment"]}


def test_gpus_are_asked_for_where_the_configuration_says_so(wide: Any) -> None:
    assert amounts(wide.definition("gpu", "alpha")["ContainerProperties"])["GPU"] == 1


def image(container: dict[str, Any]) -> str:
    *_, last = container["Image"]["Fn::Join"][1]
    return last


def test_until_an_image_is_pushed_definitions_name_none_that_exists(dev: Any) -> None:
    assert {image(container) for container in containers(dev).values()} == {":not-pushed-yet"}


def test_images_are_pinned_by_digest(wide: Any) -> None:
    digest = wide.environment.image.digest
    found = {name.rpartition("-")[2]: container["Image"] for name, container in containers(wide).items()}
    locked = found.pop("locked")
    assert locked == f"210987654321.dkr.ecr.us-east-2.amazonaws.com/team/tool@{digest}"
    assert {value["Fn::Join"][1][-1] for value in found.values()} == {f"@{digest}"}


def test_a_definition_with_a_custom_image_publishes_it(wide: Any) -> None:
    published = {
        name: objects.from_json(objects.Definition, wide.published("definitions", "alpha", name))
        for name in ("task", "locked", "shell")
    }
    assert published["task"].image is None
    assert str(published["locked"].image).startswith("210987654321.dkr.ecr")
    assert str(published["shell"].image).endswith(f"@{wide.environment.image.digest}")


def test_a_locked_container_is_as_its_configuration_says(wide: Any) -> None:
    container = wide.definition("locked", "beta")["ContainerProperties"]
    assert (container["User"], container["ReadonlyRootFilesystem"]) == ("1000:1000", True)
    assert container["LinuxParameters"]["Tmpfs"] == [
        {"ContainerPath": "/tmp", "Size": 512, "MountOptions": ["rw", "exec", "nosuid", "nodev"]}  # noqa: S108
    ]
    assert container["Ulimits"] == [
        {"Name": "nofile", "SoftLimit": 65536, "HardLimit": 65536},
        {"Name": "core", "SoftLimit": 0, "HardLimit": 0},
    ]
    assert {item["Name"]: item["ValueFrom"].split(":")[2] for item in container["Secrets"]} == {
        "LICENSE": "secretsmanager",
        "TOKEN": "ssm",
    }


def test_containers_are_open_only_where_the_configuration_says_so(stacks: Any) -> None:
    for name, container in containers(stacks).items():
        settings = stacks.environment.definitions[name.split("-", 3)[3]]
        assert bool(container.get("EnableExecuteCommand")) == settings.enable_execute_command
        assert container.get("User") == settings.user


def test_custom_limits_are_added_to_those_that_efa_needs(wide: Any) -> None:
    node_range = wide.definition("mpi-hpc7a", "alpha")["NodeProperties"]["NodeRangeProperties"][0]
    assert [item["Name"] for item in node_range["Container"]["Ulimits"]] == ["memlock", "nofile"]


def test_tasks_inherit_the_tags_of_their_job(stacks: Any) -> None:
    for item in stacks.compute.of(KIND).values():
        assert item["PropagateTags"] is True
        assert item["Tags"]["hpc:project"] in stacks.environment.projects
