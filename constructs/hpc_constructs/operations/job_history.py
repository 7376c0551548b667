"""The job history: who ran what, when, and how it ended, for longer than AWS Batch keeps it."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from hpc_constructs.operations.dead_letters import DeadLetters
from hpc_constructs.operations.job_events import FIELDS, STATE_CHANGE, JobEventRules, Target


class JobHistory(Construct):
    """A log group with every state change of every job, as JSON with fields for Logs Insights."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: str,
        queue_arns: Sequence[str],
        retention_days: int,
        key_arn: str,
        removal: cdk.RemovalPolicy,
        dead_letters: DeadLetters,
    ) -> None:
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        self.group = logs.CfnLogGroup(self, "Group", retention_in_days=retention_days, kms_key_id=key_arn)
        self.group.apply_removal_policy(removal)
        self.arn = stack.format_arn(
            service="logs",
            resource="log-group",
            resource_name=self.group.ref,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        permission = self._permission(environment, self.arn)
        rules = JobEventRules(
            self,
            "StateChange",
            description=f"hpc-batch {environment}: history of jobs",
            detail_type=STATE_CHANGE,
            queue_arns=queue_arns,
            detail={},
            target=Target(arn=self.arn, template={name: f"<{name}>" for name in FIELDS}, enclosed=True),
            dead_letters=dead_letters,
        )
        rules.node.add_dependency(permission)
        self.rule_arns = rules.rule_arns

    @property
    def name(self) -> str:
        return self.group.ref

    def _permission(self, environment: str, arn: str) -> logs.CfnResourcePolicy:
        """Allow EventBridge to write into this group; only the console requires groups below /aws/events/
        (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-cloudwatchlogs-permissions).
        A Region has at most ten such policies
        (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html).
        """
        statement = iam.PolicyStatement(
            sid="JobHistory",
            principals=[
                iam.ServicePrincipal("events.amazonaws.com"),  # pyright: ignore[reportArgumentType]
                iam.ServicePrincipal("delivery.logs.amazonaws.com"),  # pyright: ignore[reportArgumentType]
            ],
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[f"{arn}:*"],
        )
        document = iam.PolicyDocument(statements=[statement])
        return logs.CfnResourcePolicy(
            self,
            "Permission",
            policy_name=f"hpc-{environment}-job-history",
            policy_document=cdk.Stack.of(self).to_json_string(document.to_json()),
        )
