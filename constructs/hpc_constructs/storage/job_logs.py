"""The log group of all jobs."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from hpc_constructs import config
from hpc_constructs.access.encryption_key import EnvironmentKey
from hpc_constructs.access.permissions import allow


class JobLogs(Construct):
    """Batch's own group, /aws/batch/job, would keep everything for ever."""

    def __init__(
        self, scope: Construct, id: str, *, settings: config.Logs, key: EnvironmentKey, removal: cdk.RemovalPolicy
    ) -> None:
        super().__init__(scope, id)
        self.group = logs.CfnLogGroup(
            self,
            "Group",
            log_group_name=settings.group,
            retention_in_days=settings.retention_days,
            kms_key_id=key.arn,
        )
        self.group.apply_removal_policy(removal)

    @property
    def name(self) -> str:
        return self.group.ref

    @property
    def arn(self) -> str:
        """Of the group itself, without the `:*` that CloudFormation appends."""
        return cdk.Stack.of(self).format_arn(
            service="logs", resource="log-group", resource_name=self.name, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )

    def grant_write(self, policy: iam.ManagedPolicy) -> None:
        """Let the log driver write: it makes streams, never the group
        (https://docs.aws.amazon.com/batch/latest/userguide/using_awslogs.html)."""
        allow(policy, "WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{self.arn}:*"])

    def grant_read(self, policy: iam.ManagedPolicy) -> None:
        """Let read the logs of all jobs: a group has no finer borders than itself."""
        allow(
            policy,
            "ReadLogs",
            ["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"],
            [self.arn, f"{self.arn}:*"],
        )
