"""The instance role: permissions of the ECS agent, and none for jobs."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from hpc_constructs.access.permissions import WorkloadRole, allow, ec2_principal
from hpc_constructs.storage.job_logs import JobLogs


class InstanceRole(Construct):
    """Policy in place of AmazonEC2ContainerServiceforEC2Role, with the same actions on fewer resources
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/instance_IAM_role.html)."""

    def __init__(self, scope: Construct, id: str, *, logs: JobLogs) -> None:
        super().__init__(scope, id)
        workload = WorkloadRole(self, "Instance", principal=ec2_principal(), description="HPC instances: the ECS agent")
        self._allow_agent(workload.policy)
        logs.grant_write(workload.policy)
        self.policy = workload.policy
        self.profile = iam.InstanceProfile(self, "Profile", role=workload.role)

    def _allow_agent(self, policy: iam.ManagedPolicy) -> None:
        stack = cdk.Stack.of(self)
        # Batch creates the clusters and names them.
        clusters = stack.format_arn(service="ecs", resource="cluster", resource_name="*")
        instances = stack.format_arn(service="ecs", resource="container-instance", resource_name="*")
        allow(policy, "AgentDiscovery", ["ecs:DiscoverPollEndpoint", "ec2:DescribeTags"], ["*"])
        allow(
            policy,
            "AgentOnClusters",
            [
                "ecs:RegisterContainerInstance",
                "ecs:DeregisterContainerInstance",
                "ecs:SubmitAttachmentStateChanges",
                "ecs:SubmitContainerStateChange",
                "ecs:SubmitTaskStateChange",
            ],
            [clusters],
        )
        allow(
            policy,
            "AgentOnInstances",
            ["ecs:Poll", "ecs:StartTelemetrySession", "ecs:UpdateContainerInstancesState"],
            [instances],
        )
        allow(
            policy,
            "AgentTagsItself",
            ["ecs:TagResource"],
            [clusters, instances],
            {"StringEquals": {"ecs:CreateAction": "RegisterContainerInstance"}},
        )
