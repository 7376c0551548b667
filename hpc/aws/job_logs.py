"""Log lines of jobs from CloudWatch Logs, those of all children and nodes in one stream."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpc.aws import jobs
from hpc.aws.clients import Clients
from hpc.aws.jobs import Job

if TYPE_CHECKING:
    from types_boto3_logs.client import CloudWatchLogsClient

POLL_S = 1.0


@dataclass
class Source:
    """One container whose log is read."""

    job_id: str
    label: str
    """Prefix of its lines; empty if the job has only one container."""
    stream: str | None = None
    token: str | None = None
    lines: int = 0
    log_group: str = field(default="", repr=False)

    def read(self, logs: CloudWatchLogsClient) -> Iterator[str]:
        """Yield the lines that arrived since the last call."""
        while self.stream is not None:
            position = {"nextToken": self.token} if self.token else {"startFromHead": True}
            try:
                page = logs.get_log_events(
                    logGroupName=self.log_group,
                    logStreamName=self.stream,
                    **position,  # pyright: ignore[reportArgumentType]
                )
            except logs.exceptions.ResourceNotFoundException:
                return  # the container has not written anything yet
            events = page["events"]
            self.lines += len(events)
            yield from (event.get("message", "") for event in events)
            # The end of a stream is where the token no longer changes:
            # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
            at_end = page["nextForwardToken"] == self.token
            self.token = page["nextForwardToken"]
            if at_end:
                return

    def switch(self, stream: str | None) -> None:
        """Continue with another stream: each attempt has a separate one."""
        if stream != self.stream:
            self.stream, self.token = stream, None


def sources(job: Job, log_group: str) -> Iterator[Source]:
    """Yield the containers of a job: its own, those of an array's children or of a multi-node job's nodes."""
    if job.nodes is not None:
        ids = ((jobs.node_id(job.job_id, node), f"node {node}") for node in range(job.nodes))
    elif job.array_size is not None:
        ids = ((f"{job.job_id}:{index}", str(index)) for index in range(job.array_size))
    else:
        ids = ((job.job_id, ""),)
    return (Source(job_id, label, log_group=log_group) for job_id, label in ids)


def lines(clients: Clients, wanted: Iterable[Source], *, follow: bool) -> Iterator[tuple[str, str]]:
    """Yield label and line; with `follow`, until every container has ended and its log is read to the end."""
    while True:
        pending, still = iter(wanted), list[Source]()
        while batch := list(itertools.islice(pending, jobs.DESCRIBE_MAX)):
            described = jobs.describe(clients.batch, [source.job_id for source in batch])
            for source in batch:
                job = described.get(source.job_id)
                source.switch(job.log_stream if job else None)
                before = source.lines
                for line in source.read(clients.logs):
                    yield source.label, line
                # Lines may arrive a moment after the container ended: it is done when a pass after its end is empty.
                if follow and job and (not job.is_terminal or source.lines > before):
                    still.append(source)
        if not still:
            return
        wanted = still
        time.sleep(POLL_S)
