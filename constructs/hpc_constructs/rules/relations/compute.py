"""Compute environments, with their launch templates, roles and instance types."""

from __future__ import annotations

from collections.abc import Iterator

from hpc_constructs.instances import UnknownInstanceTypeError, expand
from hpc_constructs.rules.batch_model import Platform
from hpc_constructs.rules.finding import Hit, check

RESOURCES = "Properties.ComputeResources"
BIG_VCPUS = 96
"""vCPUs from which on an idle instance is reported."""
LONG_DELAY_MINUTES = 60
LONGEST_UPDATE_MINUTES = 7200


@check("HPC001")
def groups_in_one_place(platform: Platform) -> Iterator[Hit]:
    for item in platform.compute_environments:
        groups = "SecurityGroupIds" in item.settings
        if groups and item.interfaces:
            yield item.resource, "both are given", f"{RESOURCES}.SecurityGroupIds"
        elif not item.interfaces and not item.settings.get("SecurityGroupIds"):
            yield item.resource, "neither is given", f"{RESOURCES}.SecurityGroupIds"


@check("HPC002")
def known_types(platform: Platform) -> Iterator[Hit]:
    for item in platform.compute_environments:
        for name in item.type_names:
            try:
                expand(name)
            except UnknownInstanceTypeError:
                yield item.resource, f"'{name}'", f"{RESOURCES}.InstanceTypes"


@check("HPC003")
def image_of_the_types(platform: Platform) -> Iterator[Hit]:
    for item in platform.compute_environments:
        for image in item.settings.get("Ec2Configuration", []):
            kind = image.get("ImageType")
            with_gpus = {one.gpus > 0 for one in item.types}
            if kind in {"ECS_AL2023", "ECS_AL2023_NVIDIA"} and (kind == "ECS_AL2023") in with_gpus:
                yield item.resource, f"{kind} for {', '.join(item.type_names)}", f"{RESOURCES}.Ec2Configuration"


@check("HPC004")
def instance_profile(platform: Platform) -> Iterator[Hit]:
    for item in platform.compute_environments:
        value = item.settings.get("InstanceRole")
        found = platform.templates.find(value, item.resource.template)
        wrong = found is not None and found.type != "AWS::IAM::InstanceProfile"
        if wrong or value is None or ":role/" in platform.templates.text(value, item.resource.template):
            yield item.resource, f"{found.type} {found.logical_id}" if found else "", f"{RESOURCES}.InstanceRole"


@check("HPC005")
def role_outlives_environment(platform: Platform) -> Iterator[Hit]:
    for item in platform.compute_environments:
        role = item.instance_role
        policies = platform.policies_of(role) if role else []
        for policy in policies:
            same = policy.template == item.resource.template
            if same and policy.logical_id not in item.resource.depends_on:
                yield item.resource, f"no DependsOn {policy.logical_id}", "DependsOn"


@check("HPC006")
def launch_template_version(platform: Platform) -> Iterator[Hit]:
    for item in platform.compute_environments:
        if item.launch_template is None:
            continue
        version = item.settings["LaunchTemplate"].get("Version")
        match version:
            case {"Fn::GetAtt": [_, "LatestVersionNumber"]} if (
                platform.templates.find(version, item.resource.template) is item.launch_template
            ):
                pass
            case _:
                yield item.resource, f"Version {version}", f"{RESOURCES}.LaunchTemplate.Version"


@check("HPC007")
def room_for_an_instance(platform: Platform) -> Iterator[Hit]:
    for item in platform.compute_environments:
        smallest = min(item.types, key=lambda kind: kind.vcpus, default=None)
        if smallest and item.max_vcpus < smallest.vcpus:
            detail = f"{item.max_vcpus} vCPUs, {smallest.name} has {smallest.vcpus}"
            yield item.resource, detail, f"{RESOURCES}.MaxvCpus"


@check("HPC008")
def one_architecture(platform: Platform) -> Iterator[Hit]:
    for item in platform.compute_environments:
        if len({kind.architecture for kind in item.types}) > 1:
            yield item.resource, ", ".join(item.type_names), f"{RESOURCES}.InstanceTypes"


@check("HPC009")
def idle_big_instances(platform: Platform) -> Iterator[Hit]:
    for item in platform.compute_environments:
        if not any(kind.vcpus >= BIG_VCPUS for kind in item.types):
            continue
        if item.settings.get("MinvCpus", 0) > 0:
            yield item.resource, f"MinvCpus {item.settings['MinvCpus']}", f"{RESOURCES}.MinvCpus"
        delay = item.settings.get("ScalingPolicy", {}).get("MinScaleDownDelayMinutes", 0)
        if delay > LONG_DELAY_MINUTES:
            yield item.resource, f"{delay} minutes", f"{RESOURCES}.ScalingPolicy.MinScaleDownDelayMinutes"


@check("HPC010")
def update_waits_for_jobs(platform: Platform) -> Iterator[Hit]:
    timeouts = [item.properties.get("Timeout", {}).get("AttemptDurationSeconds", 0) for item in platform.definitions]
    needed = min(-(-max(timeouts, default=0) // 60), LONGEST_UPDATE_MINUTES)
    for item in platform.compute_environments:
        policy = item.resource.properties.get("UpdatePolicy", {})
        given = policy.get("JobExecutionTimeoutMinutes", 30)
        if policy.get("TerminateJobsOnUpdate", False) or given < needed:
            detail = f"{given} minutes; the longest job may take {needed}"
            yield item.resource, detail, "Properties.UpdatePolicy.JobExecutionTimeoutMinutes"
