"""The environment's key."""

from __future__ import annotations

from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from hpc_constructs import stack_reference
from hpc_constructs.access.permissions import allow


class EnvironmentKey(Construct):
    """Encrypts what lasts: data, images, logs. It rotates, and whoever may use it may do so by the service alone that
    holds what it encrypted.

    Every call to KMS is made by S3, CloudWatch Logs or ECR, none by an instance or a job: networks without internet
    need no endpoint for it (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html).
    """

    def __init__(self, scope: Construct, id: str, *, environment: str, removal: cdk.RemovalPolicy) -> None:
        super().__init__(scope, id)
        key = kms.Key(
            self,
            "Key",
            description=f"hpc-batch {environment}: data, images, logs",
            enable_key_rotation=True,
            # Of an environment whose data goes with it; else the key is kept.
            pending_window=cdk.Duration.days(7),
            removal_policy=removal,
        )
        # The cast: CDK's classes and interfaces name some parameters differently, which type checkers refuse.
        self.key = cast("kms.IKey", key)
        self._admit_logs()
        stack_reference.publish(
            self,
            "Arn",
            environment=environment,
            reference=stack_reference.KEY,
            what="the environment's key",
            arn=self.arn,
        )

    @property
    def arn(self) -> str:
        return self.key.key_arn

    def grant_by_s3(self, policy: iam.ManagedPolicy) -> None:
        """Let S3 use the key for whoever has the policy: for reading, writing and uploads in parts
        (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#require-sse-kms)."""
        service = f"s3.{cdk.Stack.of(policy).region}.amazonaws.com"
        allow(
            policy,
            "KeyOfBucket",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [self.arn],
            {"StringEquals": {"kms:ViaService": service}},
        )

    def _admit_logs(self) -> None:
        """Let CloudWatch Logs use the key, for log groups of this account and Region alone; who writes or reads logs
        needs no right of the key (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html).
        """
        stack = cdk.Stack.of(self)
        groups = stack.format_arn(
            service="logs", resource="log-group", resource_name="*", arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="CloudWatchLogs",
                principals=[cast("iam.IPrincipal", iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com"))],
                actions=["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
                resources=["*"],
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
            )
        )
