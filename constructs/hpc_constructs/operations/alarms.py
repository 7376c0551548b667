"""Alarms, on metrics that AWS publishes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from hpc_constructs.config.settings import Operations
from hpc_constructs.operations import batch_metrics
from hpc_constructs.operations.dead_letters import DeadLetters
from hpc_constructs.operations.notices import NoticeTopic

_AT_LEAST = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
_MORE_THAN = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD


class Alarms(Construct):
    """Alarms for conditions that no single notice shows: many failures, long waits, undeliverable notices."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        queues: Mapping[str, str],
        settings: Operations,
        notices: NoticeTopic,
        dead_letters: DeadLetters,
    ) -> None:
        super().__init__(scope, id)
        self._notices = notices
        for name, arn in queues.items():
            self._alarm(
                f"{name}-failed",
                f"Queue {name}: {settings.alarm_failed_jobs} or more jobs failed within an hour",
                batch_metrics.metric("JobsMovedToFailed", arn, statistic="Sum", period=cdk.Duration.hours(1)),
                settings.alarm_failed_jobs,
                _AT_LEAST,
            )
            self._alarm(
                f"{name}-wait",
                f"Queue {name}: a job waited more than {settings.alarm_wait_minutes} minutes for its instance",
                batch_metrics.metric(
                    "JobAttemptRunnableToStartingDuration", arn, statistic="Maximum", period=cdk.Duration.minutes(15)
                ),
                settings.alarm_wait_minutes * 60_000,
                _MORE_THAN,
            )
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
        self._alarm(
            "undelivered",
            "Job events could not be delivered and are in the dead-letter queue",
            dead_letters.queue.metric_approximate_number_of_messages_visible(
                statistic="Maximum", period=cdk.Duration.minutes(5)
            ),
            0,
            _MORE_THAN,
        )

    def _alarm(
        self,
        name: str,
        description: str,
        metric: cloudwatch.Metric,
        threshold: float,
        comparison: cloudwatch.ComparisonOperator,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=cast("cloudwatch.IMetric", metric),
            alarm_description=description,
            threshold=threshold,
            comparison_operator=comparison,
            evaluation_periods=1,
            # A queue without jobs sends no data.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        resource = alarm.node.default_child
        assert isinstance(resource, cloudwatch.CfnAlarm)  # noqa: S101 (the L2 holds nothing else)
        resource.alarm_actions = [self._notices.arn]
