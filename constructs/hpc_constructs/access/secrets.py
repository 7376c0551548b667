"""Secrets that containers get as environment variables."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import aws_iam as iam

from hpc.contract import objects
from hpc_constructs.access.permissions import allow


def grant_read_secrets(policy: iam.ManagedPolicy, arns: Iterable[str]) -> None:
    """Grant read access to the ECS agent, which reads them before it starts a container
    (https://docs.aws.amazon.com/batch/latest/userguide/specifying-sensitive-data.html)."""
    found = sorted({objects.secret_of(arn) for arn in arns})
    secrets = [arn for arn in found if ":secretsmanager:" in arn]
    parameters = [arn for arn in found if ":ssm:" in arn]
    if secrets:
        allow(policy, "ReadSecrets", ["secretsmanager:GetSecretValue"], secrets)
    if parameters:
        allow(policy, "ReadSecretParameters", ["ssm:GetParameters"], parameters)
