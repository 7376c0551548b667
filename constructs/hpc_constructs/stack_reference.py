"""ARNs from one stack to another, without an export.

An export cannot change while another stack imports it: no queue could be removed from the configuration
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html).
"""

from __future__ import annotations

from aws_cdk import aws_ssm as ssm
from constructs import Construct

ROOT = "/hpc-operations"
"""Separate from the contract below /hpc, which is for submitters."""
KEY, LOG_GROUP = "key", "log-group"


def queue(name: str) -> str:
    """Return the reference of a queue's ARN."""
    return f"queues/{name}"


def publish(scope: Construct, id: str, *, environment: str, reference: str, what: str, arn: str) -> None:
    """Write an ARN for other stacks.

    Args:
        reference: name of the ARN: `KEY`, `LOG_GROUP`, or that of a `queue`.
        what: name of the resource in the parameter's description.
    """
    ssm.CfnParameter(
        scope,
        id,
        type="String",
        name=_name(environment, reference),
        description=f"hpc-batch: ARN of {what}, for the operations stack",
        value=arn,
    )


def read(scope: Construct, environment: str, reference: str) -> str:
    """Return the ARN that CloudFormation reads at each deployment."""
    return ssm.StringParameter.value_for_string_parameter(scope, _name(environment, reference))


def _name(environment: str, reference: str) -> str:
    return f"{ROOT}/{environment}/{reference}"
