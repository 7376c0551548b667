"""Who may do what, by the part that a role plays; and policies of buckets."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from hpc_constructs.rules.finding import Hit, check
from hpc_constructs.rules.platform import Platform
from hpc_constructs.rules.templates import Properties, Resource, listed

AGENT = (
    "ecs:*",
    "ec2:Describe*",
    "ecr:*",
    "logs:*",
    "ssm:*",
    "ssmmessages:*",
    "ec2messages:*",
    "cloudwatch:PutMetricData",
)
"""Services of the agents on an instance."""
PLATFORM = (
    "iam:*",
    "sts:AssumeRole",
    "organizations:*",
    "batch:Create*",
    "batch:Update*",
    "batch:Delete*",
    "batch:RegisterJobDefinition",
    "ecr:Put*",
    "ecr:*Upload*",
    "ecr:Batch*Delete*",
    "ecr:Delete*",
    "s3:Delete*",
    "s3:PutBucket*",
    "kms:*Policy",
    "kms:ScheduleKeyDeletion",
)
"""What no job does: change the platform, its images and rights, or delete data for good."""


@check("HPC060")
def instances_hold_no_data_rights(platform: Platform) -> Iterator[Hit]:
    roles = {id(role): role for item in platform.compute_environments if (role := item.instance_role)}
    for role in roles.values():
        for policy, action in platform.allowed(role):
            if not any(fnmatchcase(action, pattern) for pattern in AGENT):
                yield policy, action, "Properties.PolicyDocument"


def _job_roles(platform: Platform) -> Iterator[Resource]:
    found: dict[int, Resource] = {}
    for definition in platform.definitions:
        for container in platform.containers(definition):
            role = platform.templates.find(container.settings.get("JobRoleArn"), definition.template)
            if role is not None:
                found[id(role)] = role
    yield from found.values()


@check("HPC061")
def jobs_leave_the_platform_alone(platform: Platform) -> Iterator[Hit]:
    for role in _job_roles(platform):
        for policy, action in platform.allowed(role):
            if any(fnmatchcase(action, pattern) for pattern in PLATFORM):
                yield policy, action, "Properties.PolicyDocument"


def _denies_plain_http(statement: Properties) -> bool:
    insecure = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    return (
        statement.get("Effect") == "Deny"
        and str(insecure).lower() == "false"
        and "s3:*" in listed(statement.get("Action"))
    )


@check("HPC062")
def tls_only(platform: Platform) -> Iterator[Hit]:
    policies = platform.templates.of("AWS::S3::BucketPolicy")
    for bucket in platform.templates.of("AWS::S3::Bucket"):
        statements = [
            statement
            for policy in policies
            if platform.templates.find(policy.properties.get("Bucket"), policy.template) is bucket
            for statement in listed(policy.properties["PolicyDocument"].get("Statement"))
        ]
        if not any(map(_denies_plain_http, statements)):
            yield bucket, "", ""
