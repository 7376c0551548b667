"""Tags of everything in a stack."""

from __future__ import annotations

import aws_cdk as cdk

from hpc.contract import TAG_ENVIRONMENT
from hpc_constructs.config import Environment

UNTAGGED = [
    # Their tags cannot be changed in place: a new tag would replace them, and end the jobs of the first two.
    "AWS::Batch::ComputeEnvironment",
    "AWS::Batch::JobQueue",
    "AWS::EC2::PlacementGroup",
    # CloudFormation would hand the stack's own tags to every resource, to these as well.
    "aws:cdk:stack",
]


def tag(stack: cdk.Stack, environment: Environment) -> None:
    """Tag the stack's resources with the environment."""
    cdk.Tags.of(stack).add(TAG_ENVIRONMENT, environment.name, exclude_resource_types=UNTAGGED)
