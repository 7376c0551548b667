"""The dashboard: metrics of the queues, and queries of the job history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from hpc_constructs.operations import batch_metrics
from hpc_constructs.operations.dead_letters import DeadLetters
from hpc_constructs.operations.job_history import JobHistory

COLUMNS = 24
PERIOD = cdk.Duration.minutes(5)

GRAPHS: Sequence[tuple[str, batch_metrics.Name, str]] = (
    ("Jobs submitted", "JobsSubmitted", "Sum"),
    ("Jobs started", "JobsMovedToRunning", "Sum"),
    ("Jobs succeeded", "JobsMovedToSucceeded", "Sum"),
    ("Jobs failed", "JobsMovedToFailed", "Sum"),
    ("Attempts retried", "JobsRetried", "Sum"),
    ("Wait for an instance, 90th percentile (ms)", "JobAttemptRunnableToStartingDuration", "p90"),
    ("Start of the container, 90th percentile (ms)", "JobAttemptStartingToRunningDuration", "p90"),
    ("Run time, median (ms)", "JobAttemptExecutionDuration", "p50"),
)

_WHOLE = "arrayIndex = '' and nodeIndex = ''"
QUERIES: Sequence[tuple[str, Sequence[str]]] = (
    (
        "Failed jobs by reason",
        (
            "filter status = 'FAILED' and nodeIndex = ''",
            "stats count(*) as jobs by statusReason, exitCode",
            "sort jobs desc",
            "limit 20",
        ),
    ),
    (
        "Waits by queue, from submission to start (s)",
        (
            "filter status in ['SUCCEEDED', 'FAILED'] and nodeIndex = '' and startedAt > 0",
            "fields (startedAt - createdAt) / 1000 as wait",
            "stats count(*) as jobs, pct(wait, 50) as median, pct(wait, 90) as p90, max(wait) as longest by jobQueue",
        ),
    ),
    (
        "Runs by user",
        (
            f"filter status in ['SUCCEEDED', 'FAILED'] and {_WHOLE}",
            "parse tags /hpc:user: ?(?<user>[^,}]*)/",
            "parse tags /hpc:run: ?(?<run>[^,}]*)/",
            "stats count_distinct(run) as runs, count(*) as jobs by user",
            "sort runs desc",
        ),
    ),
    (
        "Last failed jobs",
        (
            f"filter status = 'FAILED' and {_WHOLE}",
            "fields @timestamp, jobName, jobId, statusReason, exitCode, logStream",
            "sort @timestamp desc",
            "limit 20",
        ),
    ),
)
"""Logs Insights queries of the job history
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html)."""


class Dashboard(Construct):
    """A dashboard with graphs, one line for each queue, and tables below."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        queues: Mapping[str, str],
        history: JobHistory,
        dead_letters: DeadLetters,
    ) -> None:
        super().__init__(scope, id)
        dashboard = cloudwatch.Dashboard(self, "Dashboard", default_interval=cdk.Duration.days(1))
        graphs = [self._graph(title, name, statistic, queues) for title, name, statistic in GRAPHS]
        undelivered = cloudwatch.GraphWidget(
            title="Events that could not be delivered",
            width=COLUMNS // 3,
            left=[
                cast(
                    "cloudwatch.IMetric",
                    dead_letters.queue.metric_approximate_number_of_messages_visible(period=PERIOD),
                )
            ],
        )
        widgets = [cast("cloudwatch.IWidget", widget) for widget in (*graphs, undelivered)]
        dashboard.add_widgets(*widgets)
        tables = [
            cloudwatch.LogQueryWidget(
                title=title,
                log_group_names=[history.name],
                query_lines=list(lines),
                view=cloudwatch.LogQueryVisualizationType.TABLE,
                width=COLUMNS // 2,
            )
            for title, lines in QUERIES
        ]
        dashboard.add_widgets(*(cast("cloudwatch.IWidget", table) for table in tables))

    def _graph(
        self, title: str, name: batch_metrics.Name, statistic: str, queues: Mapping[str, str]
    ) -> cloudwatch.GraphWidget:
        metrics = [
            batch_metrics.metric(name, arn, statistic=statistic, period=PERIOD, label=queue)
            for queue, arn in queues.items()
        ]
        return cloudwatch.GraphWidget(
            title=title, width=COLUMNS // 3, left=[cast("cloudwatch.IMetric", item) for item in metrics]
        )
