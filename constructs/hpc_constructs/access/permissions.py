"""Roles whose permissions are one customer-managed policy, and functions that add statements to it."""

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
    """Add a statement to the policy. The `grant_*` functions of constructs call this, stacks do not."""
    policy.add_statements(
        iam.PolicyStatement(
            sid=sid, actions=list(actions), resources=list(resources), conditions=dict(conditions or {})
        )
    )


def grant_execute_command(policy: iam.ManagedPolicy) -> None:
    """Grant a container's agent access to Session Manager; these actions have no resource-level permissions
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html#ecs-exec-required-iam-permissions).
    """
    channels = ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")
    allow(policy, "ExecuteCommand", [f"ssmmessages:{name}" for name in channels], ["*"])


def grant_read_contract(policy: iam.ManagedPolicy, environment: str) -> None:
    """Grant read access to the published parameters, which hold names and limits, and to the path above them, where
    `hpc` looks for the only environment if none is named."""
    root = objects.parameter_name(environment).lstrip("/")
    parameters = [
        cdk.Stack.of(policy).format_arn(service="ssm", resource="parameter", resource_name=name)
        for name in (objects.SSM_ROOT.lstrip("/"), root, f"{root}/*")
    ]
    actions = ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"]
    allow(policy, "ReadContract", actions, parameters)


class WorkloadRole(Construct):
    """A role for a service, and the one policy that holds all its permissions."""

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
        """Create the role with all its permissions before the resources, and delete it after them. A reference to the
        role alone does not cover its policy."""
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
