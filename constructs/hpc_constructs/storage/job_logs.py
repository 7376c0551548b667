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
    """A log group with retention, since Batch's default group, /aws/batch/job, keeps everything for ever."""

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
        """ARN of the group, without the `:*` that CloudFormation appends."""
        return cdk.Stack.of(self).format_arn(
            service="logs", resource="log-group", resource_name=self.name, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )

    def grant_write(self, policy: iam.ManagedPolicy) -> None:
        """Grant write access to the log driver, which creates streams, never the group
        (https://docs.aws.amazon.com/batch/latest/userguide/using_awslogs.html)."""
        allow(policy, "WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{self.arn}:*"])

    def grant_read(self, policy: iam.ManagedPolicy) -> None:
        """Grant read access to the logs of all jobs; nothing smaller than a log group can be granted."""
        allow(
            policy,
            "ReadLogs",
            ["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"],
            [self.arn, f"{self.arn}:*"],
        )
