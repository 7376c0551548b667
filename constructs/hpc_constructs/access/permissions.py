"""Roles whose whole permission is one customer-managed policy, and verbs that add to such a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from hpc.contract import objects

Conditions = Mapping[str, Mapping[str, str | Sequence[str]]]


def allow(
    policy: iam.ManagedPolicy,
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    conditions: Conditions | None = None,
) -> None:
    """Add a statement to the policy. Capabilities call this in their `grant_*` verbs, stacks do not."""
    policy.add_statements(
        iam.PolicyStatement(
            sid=sid, actions=list(actions), resources=list(resources), conditions=dict(conditions or {})
        )
    )


def grant_execute_command(policy: iam.ManagedPolicy) -> None:
    """Let the agent inside a container talk to Session Manager; these actions know no resources
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html#ecs-exec-required-iam-permissions).
    """
    channels = ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")
    allow(policy, "ExecuteCommand", [f"ssmmessages:{name}" for name in channels], ["*"])


def grant_read_contract(policy: iam.ManagedPolicy, environment: str) -> None:
    """Let read what the environment publishes, which is names and limits; the path above it too, where `hpc` looks for
    the only environment if none is named."""
    root = objects.parameter_name(environment).lstrip("/")
    parameters = [
        cdk.Stack.of(policy).format_arn(service="ssm", resource="parameter", resource_name=name)
        for name in (objects.SSM_ROOT.lstrip("/"), root, f"{root}/*")
    ]
    actions = ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"]
    allow(policy, "ReadContract", actions, parameters)


class WorkloadRole(Construct):
    """A role for a service, and the one policy that holds everything the role may do."""

    def __init__(self, scope: Construct, id: str, *, principal: iam.ServicePrincipal, description: str) -> None:
        super().__init__(scope, id)
        # The casts: CDK's classes and interfaces name some parameters differently, which type checkers refuse.
        role = iam.Role(self, "Role", assumed_by=cast("iam.IPrincipal", principal), description=description)
        self.role = cast("iam.IRole", role)
        self.policy = iam.ManagedPolicy(self, "Policy", description=description, roles=[self.role])

    @property
    def arn(self) -> str:
        return self.role.role_arn

    def outlive(self, *resources: cdk.CfnResource) -> None:
        """Make the role with all its rights before the resources, and delete it after them. A reference to the role
        alone says nothing of its policy."""
        for resource in resources:
            resource.node.add_dependency(self.policy)


def ec2_principal() -> iam.ServicePrincipal:
    """Return the principal for instances."""
    return iam.ServicePrincipal("ec2.amazonaws.com")


def ecs_tasks_principal(stack: cdk.Stack) -> iam.ServicePrincipal:
    """Return the principal for containers, limited to tasks of this account and region
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html#create_task_iam_policy_and_role).
    """
    return iam.ServicePrincipal(
        "ecs-tasks.amazonaws.com",
        conditions={
            "StringEquals": {"aws:SourceAccount": stack.account},
            "ArnLike": {"aws:SourceArn": stack.format_arn(service="ecs", resource="*")},
        },
    )
