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
    """KMS key for data, images and logs. It rotates, and grants its use only through the service that stores what it
    encrypted.

    S3, CloudWatch Logs and ECR make every call to KMS, instances and jobs make none: networks without internet access
    need no KMS endpoint (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html).
    """

    def __init__(self, scope: Construct, id: str, *, environment: str, removal: cdk.RemovalPolicy) -> None:
        super().__init__(scope, id)
        key = kms.Key(
            self,
            "Key",
            description=f"hpc-batch {environment}: data, images, logs",
            enable_key_rotation=True,
            # Applies to an environment whose data is deleted with it; otherwise the key is kept.
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
        """Grant use of the key through S3: for reads, writes and multipart uploads
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
        """Allow CloudWatch Logs to use the key for log groups of this account and Region; writers and readers of logs
        need no permission for the key
        (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html).
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
