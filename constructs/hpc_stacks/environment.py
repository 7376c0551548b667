"""Base class of an environment's stacks."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from hpc.contract.objects import TAG_ENVIRONMENT
from hpc_constructs.config import Environment
from hpc_constructs.feature_flags import set_flags
from hpc_stacks.names import stack_name

UNTAGGED = [
    # Their tags cannot be changed in place: a new tag would replace them, and end the jobs of the first two.
    "AWS::Batch::ComputeEnvironment",
    "AWS::Batch::JobQueue",
    "AWS::EC2::PlacementGroup",
    # CloudFormation would pass the stack's tags on to every resource, including these.
    "aws:cdk:stack",
]


def tags_of(environment: Environment) -> dict[str, str]:
    """Return the tags of all resources of an environment."""
    return {**environment.tags, TAG_ENVIRONMENT: environment.name}


def _boundary(policy: str | None) -> cdk.PermissionsBoundary | None:
    if policy is None:
        return None
    given = cdk.PermissionsBoundary
    return given.from_arn(policy) if policy.startswith("arn:") else given.from_name(policy)


class EnvironmentStack(cdk.Stack):
    """A stack in the environment's account and region, its resources tagged with the environment's name."""

    def __init__(self, scope: Construct, part: str, *, environment: Environment, description: str) -> None:
        super().__init__(
            scope,
            stack_name(environment.name, part),
            env=cdk.Environment(account=environment.account, region=environment.region),
            description=f"hpc-batch {environment.name}: {description}",
            termination_protection=environment.termination_protection,
            permissions_boundary=_boundary(environment.permissions_boundary),
            synthesizer=cdk.DefaultStackSynthesizer(qualifier=environment.bootstrap_qualifier),
        )
        set_flags(self)
        self._environment = environment
        for key, value in tags_of(environment).items():
            cdk.Tags.of(self).add(key, value, exclude_resource_types=UNTAGGED)

    @property
    def _removal(self) -> cdk.RemovalPolicy:
        """Removal policy of resources that hold data."""
        if self._environment.removal == "destroy":
            return cdk.RemovalPolicy.DESTROY
        # CloudFormation's RetainExceptOnCreate: a first deployment that failed leaves nothing that would block the
        # second.
        return cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
