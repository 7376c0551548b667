"""Shared file systems: access for instances, and for nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from hpc_constructs.rules.batch_model import ComputeEnvironment, Platform
from hpc_constructs.rules.finding import Hit, check
from hpc_constructs.rules.templates import Properties, Resource, listed

NFS = 2049


def _mounted(platform: Platform) -> Iterator[Resource]:
    """Yield the file systems that job definitions mount."""
    found: dict[int, Resource] = {}
    for definition in platform.definitions:
        for container in platform.containers(definition):
            for volume in container.settings.get("Volumes", []):
                named = volume.get("EfsVolumeConfiguration", {}).get("FileSystemId")
                resource = platform.templates.find(named, definition.template)
                if resource is not None:
                    found[id(resource)] = resource
    yield from found.values()


def _mount_targets(platform: Platform, file_system: Resource) -> list[Resource]:
    return [
        item
        for item in platform.templates.of("AWS::EFS::MountTarget")
        if platform.templates.find(item.properties.get("FileSystemId"), item.template) is file_system
    ]


@check("HPC055")
def mount_target_in_every_subnet(platform: Platform) -> Iterator[Hit]:
    text = platform.templates.text
    for file_system in _mounted(platform):
        there = {text(item.properties.get("SubnetId"), item.template) for item in _mount_targets(platform, file_system)}
        for item in platform.compute_environments:
            used = [text(value, item.resource.template) for value in listed(item.settings.get("Subnets"))]
            missing = [name.split("|")[1] if "|" in name else name for name in used if name not in there]
            if missing:
                yield file_system, f"none in {', '.join(missing)} of {item.resource.logical_id}", ""


def _admits(platform: Platform, group: Resource, sources: list[Resource]) -> bool:
    """Return whether the group admits NFS from one of the groups, or from addresses, which another rule checks."""
    alone = [
        (item.properties, item.template)
        for item in platform.templates.of("AWS::EC2::SecurityGroupIngress")
        if platform.templates.find(item.properties.get("GroupId"), item.template) is group
    ]
    inside = [(rule, group.template) for rule in group.properties.get("SecurityGroupIngress", [])]
    return any(
        "CidrIp" in rule or platform.templates.find(rule.get("SourceSecurityGroupId"), template) in sources
        for rule, template in [*inside, *alone]
        if _is_nfs(rule)
    )


def _is_nfs(rule: Properties) -> bool:
    protocol = str(rule.get("IpProtocol"))
    return protocol == "-1" or (protocol == "tcp" and rule.get("FromPort", 0) <= NFS <= rule.get("ToPort", 0))


def _shut_out(platform: Platform, target: Resource) -> Iterator[ComputeEnvironment]:
    groups = platform.templates.find_all(target.properties.get("SecurityGroups"), target.template)
    for item in platform.compute_environments:
        if groups and item.groups and not any(_admits(platform, group, item.groups) for group in groups):
            yield item


@check("HPC056")
def mount_targets_admit_instances(platform: Platform) -> Iterator[Hit]:
    for file_system in _mounted(platform):
        for target in _mount_targets(platform, file_system):
            names = [item.resource.logical_id for item in _shut_out(platform, target)]
            if names:
                yield target, f"not {', '.join(names)}", "Properties.SecurityGroups"


def _denies_plain_text(statement: Properties) -> bool:
    insecure = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    actions = {"*", "elasticfilesystem:*", "elasticfilesystem:Client*"}
    return (
        statement.get("Effect") == "Deny"
        and str(insecure).lower() == "false"
        and bool(actions & set(listed(statement.get("Action"))))
    )


@check("HPC064")
def tls_only(platform: Platform) -> Iterator[Hit]:
    for file_system in platform.templates.of("AWS::EFS::FileSystem"):
        statements = listed(file_system.properties.get("FileSystemPolicy", {}).get("Statement"))
        if not any(map(_denies_plain_text, statements)):
            yield file_system, "", "Properties.FileSystemPolicy"
