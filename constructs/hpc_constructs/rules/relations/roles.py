"""Permissions of roles, by their purpose, and policies of buckets and topics."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from hpc_constructs.rules.batch_model import Platform
from hpc_constructs.rules.finding import Hit, check
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
"""Actions of the agents on an instance."""
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
"""Actions that no job needs: changes of the platform, its images and permissions, and permanent deletion of data."""


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


def _denies_plain_http(statement: Properties, action: str) -> bool:
    insecure = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    return (
        statement.get("Effect") == "Deny"
        and str(insecure).lower() == "false"
        and action in listed(statement.get("Action"))
    )


def _without_tls(platform: Platform, kind: str, policy_kind: str, member: str, action: str) -> Iterator[Hit]:
    """Yield the resources of a kind without a policy that denies the action over anything but TLS."""
    for resource in platform.templates.of(kind):
        statements = [
            statement
            for policy in platform.templates.of(policy_kind)
            if resource in platform.templates.find_all(policy.properties.get(member), policy.template)
            for statement in listed(policy.properties["PolicyDocument"].get("Statement"))
        ]
        if not any(_denies_plain_http(statement, action) for statement in statements):
            yield resource, "", ""


@check("HPC062")
def buckets_over_tls_only(platform: Platform) -> Iterator[Hit]:
    yield from _without_tls(platform, "AWS::S3::Bucket", "AWS::S3::BucketPolicy", "Bucket", "s3:*")


@check("HPC063")
def topics_over_tls_only(platform: Platform) -> Iterator[Hit]:
    yield from _without_tls(platform, "AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "Topics", "sns:Publish")
