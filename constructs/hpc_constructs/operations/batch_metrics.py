"""The metrics that AWS Batch publishes of each queue
(https://docs.aws.amazon.com/batch/latest/userguide/using_cloudwatch_metrics.html).

Of an array job each child counts, of a multi-node job the job itself. They are best effort: no exact counts.
"""

from __future__ import annotations

from typing import Literal

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

Name = Literal[
    "JobsSubmitted",
    "JobsMovedToRunning",
    "JobsMovedToSucceeded",
    "JobsMovedToFailed",
    "JobsRetried",
    "JobAttemptRunnableToStartingDuration",
    "JobAttemptStartingToRunningDuration",
    "JobAttemptExecutionDuration",
]
"""Those that are used here. Durations are in milliseconds."""


def metric(
    name: Name, queue_arn: str, *, statistic: str, period: cdk.Duration, label: str | None = None
) -> cloudwatch.Metric:
    """Return a metric of a queue."""
    return cloudwatch.Metric(
        namespace="AWS/Batch",
        metric_name=name,
        dimensions_map={"JobQueueName": cdk.Fn.select(1, cdk.Fn.split("job-queue/", queue_arn))},
        statistic=statistic,
        period=period,
        label=label,
    )
