"""Secrets that containers get as environment variables."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import aws_iam as iam

from hpc_constructs.permissions import allow


def grant_read_secrets(policy: iam.ManagedPolicy, arns: Iterable[str]) -> None:
    """Let the ECS agent read them before it starts a container
    (https://docs.aws.amazon.com/batch/latest/userguide/specifying-sensitive-data.html)."""
    # Behind the name of a secret may stand a JSON key, a version stage and a version id.
    secrets = sorted({":".join(arn.split(":")[:7]) for arn in arns if ":secretsmanager:" in arn})
    parameters = sorted({arn for arn in arns if ":ssm:" in arn})
    if secrets:
        allow(policy, "ReadSecrets", ["secretsmanager:GetSecretValue"], secrets)
    if parameters:
        allow(policy, "ReadSecretParameters", ["ssm:GetParameters"], parameters)
