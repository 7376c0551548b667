"""ARNs of queues, and of the jobs' log group, from one stack to another, without an export.

An export cannot change while another stack imports it: no queue could be removed from the configuration
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_ssm as ssm
from constructs import Construct

if TYPE_CHECKING:
    from hpc_constructs.logs import JobLogs
    from hpc_constructs.queue import JobQueue

ROOT = "/hpc-operations"
"""Apart from the contract below /hpc, which is for those who submit."""


def parameter_name(environment: str, queue: str) -> str:
    """Return the name of the parameter that holds the ARN of a queue."""
    return f"{ROOT}/{environment}/queues/{queue}"


def publish(scope: Construct, environment: str, name: str, queue: JobQueue) -> None:
    """Write the queue's ARN for other stacks."""
    ssm.CfnParameter(
        scope,
        f"{name}-arn",
        type="String",
        name=parameter_name(environment, name),
        description="hpc-batch: ARN of a job queue, for the operations stack",
        value=queue.arn,
    )


def read_arn(scope: Construct, environment: str, name: str) -> str:
    """Return the ARN that CloudFormation reads at each deployment."""
    return ssm.StringParameter.value_for_string_parameter(scope, parameter_name(environment, name))


def _log_group_parameter(environment: str) -> str:
    return f"{ROOT}/{environment}/log-group"


def publish_log_group(scope: Construct, environment: str, logs: JobLogs) -> None:
    """Write the ARN of the jobs' log group for other stacks."""
    ssm.CfnParameter(
        scope,
        "log-group-arn",
        type="String",
        name=_log_group_parameter(environment),
        description="hpc-batch: ARN of the jobs' log group, for the operations stack",
        value=logs.arn,
    )


def read_log_group(scope: Construct, environment: str) -> str:
    """Return the ARN that CloudFormation reads at each deployment."""
    return ssm.StringParameter.value_for_string_parameter(scope, _log_group_parameter(environment))


def queue_name(arn: str) -> str:
    """Return the name in the ARN of a queue, known or not before the deployment."""
    return cdk.Fn.select(1, cdk.Fn.split("job-queue/", arn))
