"""Metrics that AWS Batch publishes for each queue
(https://docs.aws.amazon.com/batch/latest/userguide/using_cloudwatch_metrics.html).

Each child of an array job counts, and a multi-node job counts once. Delivery is best effort: counts are not exact.
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
"""Metrics used here. Durations are in milliseconds."""


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
