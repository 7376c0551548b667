"""VPC flow logs."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from hpc_constructs.access.encryption_key import EnvironmentKey
from hpc_constructs.access.permissions import WorkloadRole, allow


class FlowLogs(Construct):
    """A flow log of all traffic, accepted and rejected, in a dedicated log group.

    An L1, because the L2 grants its role by an inline policy.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        vpc_id: str,
        retention_days: int,
        key: EnvironmentKey,
        removal: cdk.RemovalPolicy,
    ) -> None:
        super().__init__(scope, id)
        group = logs.CfnLogGroup(self, "Group", retention_in_days=retention_days, kms_key_id=key.arn)
        group.apply_removal_policy(removal)
        role = WorkloadRole(self, "Delivery", principal=self._principal(), description="VPC flow logs: write them")
        self._grant_write(role.policy, group.ref)
        resource = ec2.CfnFlowLog(
            self,
            "Resource",
            resource_id=vpc_id,
            resource_type="VPC",
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_group_name=group.ref,
            deliver_logs_permission_arn=role.arn,
        )
        # Otherwise the first records are refused, and on deletion the last ones.
        role.outlive(resource)

    def _principal(self) -> iam.ServicePrincipal:
        """Return the principal for flow logs of this account and region alone
        (https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html)."""
        stack = cdk.Stack.of(self)
        return iam.ServicePrincipal(
            "vpc-flow-logs.amazonaws.com",
            conditions={
                "StringEquals": {"aws:SourceAccount": stack.account},
                "ArnLike": {"aws:SourceArn": stack.format_arn(service="ec2", resource="vpc-flow-log/*")},
            },
        )

    def _grant_write(self, policy: iam.ManagedPolicy, group: str) -> None:
        """Grant those of the five actions on that page that an existing log group needs, on this group."""
        arn = cdk.Stack.of(self).format_arn(
            service="logs", resource="log-group", resource_name=group, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )
        allow(
            policy,
            "WriteFlowLogs",
            ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            [arn, f"{arn}:*"],
        )
