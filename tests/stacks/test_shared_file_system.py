"""The shared file system: access, mount targets, and removal."""

from __future__ import annotations

from typing import Any

import pytest

from hpc.contract import variables
from tests.stacks.test_compute_environments import scripts

FILE_SYSTEM = "AWS::EFS::FileSystem"
MOUNT_TARGET = "AWS::EFS::MountTarget"
ACCESS_POINT = "AWS::EFS::AccessPoint"
EXISTING = """
network: {vpc_id: vpc-01234567, subnet_ids: [subnet-0000000a, subnet-0000000b], efa_subnet_id: EFA}
file_system: {}
"""


def containers(stacks: Any) -> list[dict[str, Any]]:
    found = stacks.compute.of("AWS::Batch::JobDefinition").values()
    single = [item["ContainerProperties"] for item in found if "ContainerProperties" in item]
    multi = [
        item["NodeProperties"]["NodeRangeProperties"][0]["Container"] for item in found if "NodeProperties" in item
    ]
    return single + multi


def test_it_is_encrypted_elastic_and_backed_up(dev: Any) -> None:
    properties = dev.foundation.only(FILE_SYSTEM)
    assert properties["Encrypted"] is True
    assert properties["ThroughputMode"] == "elastic"
    assert properties["BackupPolicy"] == {"Status": "ENABLED"}
    assert properties["LifecyclePolicies"] == [
        {"TransitionToIA": "AFTER_30_DAYS"},
        {"TransitionToPrimaryStorageClass": "AFTER_1_ACCESS"},
    ]


def test_what_the_configuration_turns_off_is_off(wide: Any) -> None:
    properties = wide.foundation.only(FILE_SYSTEM)
    assert properties["BackupPolicy"] == {"Status": "DISABLED"}
    assert not properties.get("LifecyclePolicies")


def test_without_a_word_there_is_none(minimal: Any) -> None:
    assert not minimal.foundation.of(FILE_SYSTEM)
    assert not minimal.compute.of(ACCESS_POINT)
    for container in containers(minimal):
        assert variables.ENV_SHARED not in {item["Name"] for item in container["Environment"]}
    assert "efs" not in scripts(minimal, "spot")


def test_it_is_retained_where_data_is(dev: Any, wide: Any) -> None:
    for stacks, policy in ((dev, "Delete"), (wide, "RetainExceptOnCreate")):
        (found,) = [item for item in stacks.foundation.resources.values() if item["Type"] == FILE_SYSTEM]
        assert found["DeletionPolicy"] == policy


def test_every_subnet_of_the_compute_environments_has_a_mount_target(wide: Any) -> None:
    targets = [item["SubnetId"]["Ref"] for item in wide.foundation.of(MOUNT_TARGET).values()]
    private = [key for key in wide.foundation.of("AWS::EC2::Subnet") if "Private" in key]
    assert sorted(targets) == sorted(private)


def test_in_an_existing_vpc_a_mount_target_keeps_its_subnet_whichever_is_for_efa(synthesized: Any) -> None:
    one, other = (
        synthesized(EXISTING.replace("EFA", efa)).foundation.of(MOUNT_TARGET)
        for efa in ("subnet-0000000a", "subnet-0000000b")
    )
    assert one == other
    assert {item["SubnetId"] for item in one.values()} == {"subnet-0000000a", "subnet-0000000b"}


def test_only_instances_reach_its_mount_targets(dev: Any) -> None:
    resources = dev.foundation.resources
    (group,) = {item["SecurityGroups"][0]["Fn::GetAtt"][0] for item in dev.foundation.of(MOUNT_TARGET).values()}
    assert "SecurityGroupIngress" not in resources[group]["Properties"]
    (rule,) = [
        item
        for item in dev.foundation.of("AWS::EC2::SecurityGroupIngress").values()
        if item["GroupId"]["Fn::GetAtt"][0] == group
    ]
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 2049, 2049)
    source = rule["SourceSecurityGroupId"]["Fn::GetAtt"][0]
    assert resources[source]["Properties"]["GroupDescription"].startswith("Instances")


def test_its_policy_denies_whatever_does_not_come_as_jobs_do(dev: Any) -> None:
    statements = dev.foundation.only(FILE_SYSTEM)["FileSystemPolicy"]["Statement"]
    assert {item["Effect"] for item in statements} == {"Deny"}
    conditions = [item["Condition"] for item in statements]
    assert {"Bool": {"aws:SecureTransport": "false"}} in conditions
    assert {"Bool": {"elasticfilesystem:AccessedViaMountTarget": "false"}} in conditions
    assert {"Null": {"elasticfilesystem:AccessPointArn": "true"}} in conditions


def test_each_project_has_a_separate_folder(wide: Any) -> None:
    found = wide.compute.of(ACCESS_POINT).values()
    assert sorted(item["RootDirectory"]["Path"] for item in found) == ["/alpha", "/beta"]
    for item in found:
        assert item["PosixUser"] == {"Uid": "1000", "Gid": "1000"}
        assert item["RootDirectory"]["CreationInfo"] == {"OwnerUid": "1000", "OwnerGid": "1000", "Permissions": "0750"}


def test_every_job_mounts_its_projects_folder_encrypted_and_with_its_role(wide: Any) -> None:
    points = {item["RootDirectory"]["Path"].strip("/"): key for key, item in wide.compute.of(ACCESS_POINT).items()}
    assert containers(wide)
    for container in containers(wide):
        project = {item["Name"]: item["Value"] for item in container["Environment"]}[variables.ENV_PROJECT]
        (volume,) = [item for item in container["Volumes"] if item["Name"] == "shared"]
        settings = volume["EfsVolumeConfiguration"]
        assert settings["TransitEncryption"] == "ENABLED"
        assert settings["AuthorizationConfig"] == {"AccessPointId": {"Ref": points[project]}, "Iam": "ENABLED"}
        assert "RootDirectory" not in settings, "refused together with an access point"
        mount = {"SourceVolume": "shared", "ContainerPath": "/shared", "ReadOnly": False}
        assert mount in container["MountPoints"]
        assert {"Name": variables.ENV_SHARED, "Value": "/shared"} in container["Environment"]


def test_a_job_role_mounts_by_its_projects_access_point_only_and_not_as_root(wide: Any) -> None:
    points = {item["RootDirectory"]["Path"].strip("/"): key for key, item in wide.compute.of(ACCESS_POINT).items()}
    for project in wide.environment.projects:
        (statement,) = [
            item for item in wide.policy(f"Projects{project}Job") if "elasticfilesystem" in str(item["Action"])
        ]
        assert statement["Action"] == ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
        arn = {"Fn::GetAtt": [points[project], "Arn"]}
        assert statement["Condition"] == {"StringEquals": {"elasticfilesystem:AccessPointArn": arn}}


def test_instances_have_the_mount_helper_and_the_agents_plugin(dev: Any) -> None:
    for name in dev.environment.compute_environments:
        text = scripts(dev, name)
        assert "amazon-efs-utils" in text
        assert "amazon-ecs-volume-plugin" in text


def test_nothing_else_may_be_mounted_there(synthesized: Any) -> None:
    with pytest.raises(Exception, match="where the shared file system is mounted"):
        synthesized("file_system: {}\ndefinitions: {task: {tmpfs: {/shared: 64}}}")
