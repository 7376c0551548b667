"""Validation errors of the service for compute environments and job queues."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import botocore.session
from ministack.core.responses import request_scope
from ministack.services import ec2, iam

from localcloud.batch.errors import BatchError, NotModelledError
from localcloud.batch.model import Scope
from localcloud.json_types import Json

MAX_PER_REGION = 50
"""Limit for compute environments, and for job queues (https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html)."""
ON_DEMAND_STRATEGIES = {"BEST_FIT", "BEST_FIT_PROGRESSIVE", "BEST_FIT_PROGRESSIVE_ORDERED"}
SPOT_STRATEGIES = {
    "BEST_FIT", "BEST_FIT_PROGRESSIVE", "SPOT_CAPACITY_OPTIMIZED", "SPOT_PRICE_CAPACITY_OPTIMIZED",
    "SPOT_CAPACITY_OPTIMIZED_PRIORITIZED",
}  # fmt: skip
IMAGE_TYPES = {"ECS_AL2023", "ECS_AL2023_NVIDIA"}


def check_name(member: str, name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", name):
        raise BatchError(
            f"{member} {name!r} must be 1 to 128 letters, digits, hyphens or underscores, a letter or digit first"
        )


def check_count(what: str, count: int) -> None:
    if count >= MAX_PER_REGION:
        raise BatchError(f"Limit exceeded: at most {MAX_PER_REGION} {what} per Region")


def service_linked_role(scope: Scope) -> str:
    return f"arn:aws:iam::{scope.account}:role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch"


def check_new_environment(scope: Scope, params: Json) -> None:
    """Check a CreateComputeEnvironment request
    (https://docs.aws.amazon.com/batch/latest/APIReference/API_ComputeResource.html)."""
    if params["type"] != "MANAGED":
        raise NotModelledError("unmanaged compute environments")
    if "computeResources" not in params:
        raise BatchError("computeResources must be provided for a MANAGED compute environment")
    resources = params["computeResources"]
    if resources["type"] not in {"EC2", "SPOT"}:
        raise NotModelledError(f"computeResources.type {resources['type']}")
    check_resources(scope, resources)


def check_infrastructure_update(scope: Scope, detail: Json, resources: Json) -> None:
    """Check an update that replaces instances
    (https://docs.aws.amazon.com/batch/latest/userguide/infrastructure-updates.html)."""
    if detail["serviceRole"] != service_linked_role(scope):
        raise BatchError(
            "Only scaling parameters can be updated: the compute environment does not use AWSServiceRoleForBatch"
        )
    if detail["computeResources"].get("allocationStrategy", "BEST_FIT") == "BEST_FIT":
        raise BatchError("Only scaling parameters can be updated: the allocation strategy is BEST_FIT")
    check_resources(scope, resources)


def check_resources(scope: Scope, resources: Json) -> None:
    if not 0 <= resources.get("minvCpus", 0) <= resources["maxvCpus"]:
        raise BatchError("minvCpus must not be negative, and maxvCpus not smaller than minvCpus")
    _check_strategy(resources)
    _check_instance_types(resources.get("instanceTypes", []))
    for entry in resources.get("ec2Configuration", []):
        if entry["imageType"] not in IMAGE_TYPES and "imageIdOverride" not in entry:
            raise BatchError(
                f"imageType {entry['imageType']} is not supported: Amazon Linux 2 images of AWS Batch cannot be used "
                f"for new compute environments; use one of {sorted(IMAGE_TYPES)}"
            )
    if len(resources.get("ec2Configuration", [])) > 2:
        raise BatchError("ec2Configuration takes at most 2 entries")
    delay = resources.get("scalingPolicy", {}).get("minScaleDownDelayMinutes", 0)
    if delay and not 20 <= delay <= 10080:
        raise BatchError("minScaleDownDelayMinutes must be 0 or between 20 and 10080")
    with request_scope(scope.account, scope.region):
        ec2._ensure_defaults_initialized()
        _check_instance_role(resources.get("instanceRole"))
        _check_network(resources)


def _check_strategy(resources: Json) -> None:
    spot = resources["type"] == "SPOT"
    strategy = resources.get("allocationStrategy", "BEST_FIT")
    if strategy not in (SPOT_STRATEGIES if spot else ON_DEMAND_STRATEGIES):
        raise BatchError(
            f"Allocation strategy {strategy} is not allowed for compute resources of type {resources['type']}"
        )
    if spot and strategy == "BEST_FIT" and "spotIamFleetRole" not in resources:
        raise BatchError("spotIamFleetRole must be provided for SPOT with BEST_FIT")
    if "bidPercentage" in resources and not (spot and 0 < resources["bidPercentage"] <= 100):
        raise BatchError("bidPercentage must be between 1 and 100, and only for SPOT")


@cache
def _instance_types() -> frozenset[str]:
    """Return the valid values: the SDK's instance types except those that AWS Batch never takes, and their families
    (https://docs.aws.amazon.com/batch/latest/APIReference/API_ComputeResource.html)."""
    listed = botocore.session.get_session().get_service_model("ec2").shape_for("InstanceType").metadata["enum"]
    types = {name for name in listed if not re.match(r"(t\d|mac)", name)}
    return frozenset({"optimal", "default_x86_64", "default_arm64"} | types | {name.split(".")[0] for name in types})


def _check_instance_types(types: list[str]) -> None:
    if not types:
        raise BatchError("instanceTypes must not be empty")
    if not _instance_types().issuperset(types):
        # The message of the service lists every size too.
        families = sorted(name for name in _instance_types() if "." not in name)
        raise BatchError(f"Error executing request, Exception : Instance type can only be one of "
                         f"[{', '.join(families)}]")  # fmt: skip
    if len({is_arm(name) for name in types}) > 1:
        raise BatchError("Error executing request, Exception : arm-based instance type cannot be used with other "
                         "instance types.")  # fmt: skip


def is_arm(instance_type: str) -> bool:
    """Return whether an instance type is arm64, by its name (https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html)."""
    if instance_type == "default_arm64":
        return True
    return bool(re.match(r"(a1|[a-z]+\d+[a-z]*g[a-z]*)(\.|$)", instance_type))


def _check_instance_role(role: str | None) -> None:
    if role is None:
        raise BatchError("instanceRole must be provided for compute resources of type EC2 or SPOT")
    name = role.rpartition("/")[2]
    if role.startswith("arn:") and ":instance-profile/" not in role:
        raise BatchError(f"instanceRole {role} is not an instance profile")
    if name not in iam._instance_profiles:
        raise BatchError(f"Instance profile {role} does not exist")


def _check_network(resources: Json) -> None:
    subnets = [_known(ec2._subnets, name, "subnet") for name in resources.get("subnets", [])]
    if not subnets:
        raise BatchError("subnets must not be empty")
    vpcs = {subnet["VpcId"] for subnet in subnets}
    if len(vpcs) > 1:
        raise BatchError(f"subnets belong to several VPCs: {sorted(vpcs)}")
    if "placementGroup" in resources:
        _known(ec2._placement_groups, resources["placementGroup"], "placement group")
        if len(subnets) > 1:
            raise BatchError("A compute environment with a placement group takes one subnet: a cluster placement "
                             "group lies in a single Availability Zone")  # fmt: skip
    groups = resources.get("securityGroupIds")
    interfaces = [nic for data in _launch_templates(resources) for nic in data.get("NetworkInterfaces") or []]
    if groups and interfaces:
        raise BatchError("Either compute environment Security Groups or Network Interfaces in Launch template are "
                         "exclusively allowed")  # fmt: skip
    groups = groups or [group for nic in interfaces for group in nic.get("Groups") or []]
    if not groups:
        raise BatchError("At least one security group must be given, in the compute environment or in the network "
                         "interfaces of its launch template")  # fmt: skip
    if len(set(groups)) > 5:
        raise BatchError("At most 5 security groups are allowed")
    for group in groups:
        if _known(ec2._security_groups, group, "security group")["VpcId"] not in vpcs:
            raise BatchError(f"Security group {group} does not belong to the VPC of the subnets, {vpcs.pop()}")


def _launch_templates(resources: Json) -> list[Json]:
    """Return the data of the versions that the compute environment names."""
    if "launchTemplate" not in resources:
        return []
    given = resources["launchTemplate"]
    return [_launch_template_data(spec) for spec in (given, *given.get("overrides", []))]


def _launch_template_data(spec: Json) -> Json:
    if ("launchTemplateId" in spec) == ("launchTemplateName" in spec):
        raise BatchError("Exactly one of launchTemplateId and launchTemplateName must be given")
    key, member = ("LaunchTemplateId", "launchTemplateId")
    if member not in spec:
        key, member = ("LaunchTemplateName", "launchTemplateName")
    found = [item for item in ec2._launch_templates.values() if item[key] == spec[member]]
    if not found:
        raise BatchError(f"Launch template {spec[member]} does not exist")
    number = spec.get("version") or "$Default"
    number = {
        "$Default": found[0]["DefaultVersionNumber"], "$Latest": found[0]["LatestVersionNumber"],
    }.get(number, number)  # fmt: skip
    for version in found[0]["Versions"]:
        if str(version["VersionNumber"]) == str(number):
            return version["LaunchTemplateData"]
    raise BatchError(f"Launch template {spec[member]} has no version {number}")


def _known(store: Any, name: str, what: str) -> Json:
    if name not in store:
        raise BatchError(f"The {what} '{name}' does not exist")
    return store[name]


def check_priority(priority: int) -> int:
    if not 0 <= priority <= 1000:
        raise BatchError(f"priority {priority} must be between 0 and 1000")
    return priority


def check_environment_order(entries: list[Json], details: list[Json]) -> None:
    """Check the compute environments of a queue
    (https://docs.aws.amazon.com/batch/latest/APIReference/API_CreateJobQueue.html)."""
    if not 1 <= len(entries) <= 3:
        raise BatchError(f"A job queue takes 1 to 3 compute environments, not {len(entries)}")
    if len({entry["order"] for entry in entries}) < len(entries):
        raise BatchError("computeEnvironmentOrder has the same order twice")
    for detail in details:
        if detail["status"] != "VALID" or detail["state"] != "ENABLED":
            raise BatchError(f"{detail['computeEnvironmentArn']} must be VALID and ENABLED, is "
                             f"{detail['status']} and {detail['state']}")  # fmt: skip
    if len({is_arm(detail["computeResources"]["instanceTypes"][0]) for detail in details}) > 1:
        raise BatchError("The compute environments of a job queue must have the same architecture")
