"""Which update of a compute environment Batch does: the words of AWS's pages, where the schemas leave it open.

https://docs.aws.amazon.com/batch/latest/userguide/updating-compute-environments.html and
https://docs.aws.amazon.com/batch/latest/userguide/infrastructure-updates.html
"""

from __future__ import annotations

from typing import Any

from tools.diff import schemas
from tools.diff.model import Edit, Path, Verdict

TYPE = "AWS::Batch::ComputeEnvironment"

SCALING: tuple[Path, ...] = (
    ("ComputeResources", "MinvCpus"),
    ("ComputeResources", "MaxvCpus"),
    ("ComputeResources", "DesiredvCpus"),
    ("ServiceRole",),
    ("State",),
)
"""Settings that cause a scaling update if nothing else changes."""

INFRASTRUCTURE: tuple[Path, ...] = tuple(
    ("ComputeResources", name)
    for name in (
        "AllocationStrategy",
        "BidPercentage",
        "Ec2Configuration",
        "Ec2KeyPair",
        "ImageId",
        "InstanceRole",
        "InstanceTypes",
        "LaunchTemplate",
        "PlacementGroup",
        "SecurityGroupIds",
        "Subnets",
        "Tags",
        "Type",
        "UpdateToLatestImageVersion",
    )
)
"""Settings that cause an infrastructure update."""

UPDATABLE_STRATEGIES = ("BEST_FIT_PROGRESSIVE", "SPOT_CAPACITY_OPTIMIZED", "SPOT_PRICE_CAPACITY_OPTIMIZED")


def verdict(edit: Edit, properties: dict[str, Any]) -> Verdict:
    """Return what an edit that does not always replace the environment does to it.

    Properties that the schema calls conditional and AWS's page does not list, such as ScalingPolicy ("some
    interruptions" in CloudFormation's reference), count as an infrastructure update: the graver of the two.
    """
    conditional = _among(edit, schemas.conditional_create_only(TYPE))
    if conditional and properties.get("ReplaceComputeEnvironment", True) is not False:
        return Verdict.REPLACED
    if conditional or _among(edit, INFRASTRUCTURE):
        return Verdict.INFRASTRUCTURE
    return Verdict.IN_PLACE


def scales_only(edits: tuple[Edit, ...]) -> bool:
    """Return whether the edits are a scaling update."""
    return all(_among(edit, SCALING) for edit in edits)


def refusal(properties: dict[str, Any]) -> str | None:
    """Return why Batch does no infrastructure update of the environment; None if it does."""
    strategy = properties.get("ComputeResources", {}).get("AllocationStrategy", "BEST_FIT")
    if strategy not in UPDATABLE_STRATEGIES:
        return f"AllocationStrategy is {strategy}; infrastructure updates need {', '.join(UPDATABLE_STRATEGIES)}"
    if "ServiceRole" in properties:
        return "it has a ServiceRole; infrastructure updates need the service-linked role AWSServiceRoleForBatch"
    return None


def effect(properties: dict[str, Any]) -> str:
    """Return what an infrastructure update does to running jobs
    (https://docs.aws.amazon.com/batch/latest/APIReference/API_UpdatePolicy.html)."""
    policy = properties.get("UpdatePolicy", {})
    if policy.get("TerminateJobsOnUpdate", False):
        return "running jobs are ended at once and retried if they have attempts left (TerminateJobsOnUpdate true)"
    minutes = policy.get("JobExecutionTimeoutMinutes", 30)
    return f"instances are replaced as their jobs end, for {minutes} minutes at most (TerminateJobsOnUpdate false)"


def _among(edit: Edit, listed: tuple[Path, ...]) -> bool:
    return any(schemas.touches(edit.path, edit.old, edit.new, path) for path in listed)
