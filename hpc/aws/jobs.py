"""Batch jobs as DescribeJobs and ListJobs describe them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpc.contract import exit_codes

if TYPE_CHECKING:
    from types_boto3_batch.client import BatchClient

WAITING = frozenset({"SUBMITTED", "PENDING", "RUNNABLE"})
ACTIVE = frozenset({"STARTING", "RUNNING"})
TERMINAL = frozenset({"SUCCEEDED", "FAILED"})
STATUSES = (
    "SUBMITTED",
    "PENDING",
    "RUNNABLE",
    "STARTING",
    "RUNNING",
    "SUCCEEDED",
    "FAILED",
)
"""In the order of a job's life
(https://docs.aws.amazon.com/batch/latest/userguide/job_states.html)."""

DESCRIBE_MAX = 100
"""https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobs.html"""

_REASONS = {
    exit_codes.MISSING_OUTPUT: "the command left no file for a named output",
    exit_codes.STAGE_IN: "an input could not be staged in",
    exit_codes.STAGE_OUT: "the outputs could not be staged out",
    exit_codes.RENDEZVOUS: "a node did not arrive in time or could not be reached",
    exit_codes.NODE_LOST: "a node was lost",
    exit_codes.DUPLICATE: "another job holds this task",
    exit_codes.BAD_REQUEST: "the run's request and the job do not fit together",
    exit_codes.NO_EFA: "EFA is required and a node has none",
    exit_codes.NOT_EXECUTABLE: "the command cannot be executed",
    exit_codes.NOT_FOUND: "the command was not found in the image",
    137: "killed: out of memory, or by the service",
    143: "terminated",
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """One Batch job: a plain job, an array's parent or child, a multi-node job or one of its nodes."""

    job_id: str
    name: str
    status: str
    status_reason: str = ""
    exit_code: int | None = None
    container_reason: str = ""
    attempts: int = 0
    created_at_ms: int | None = None
    started_at_ms: int | None = None
    stopped_at_ms: int | None = None
    array_size: int | None = None
    array_summary: dict[str, int] | None = None
    nodes: int | None = None
    main_node: int = 0
    log_stream: str | None = None

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def reason(self) -> str:
        """The reason for the job's status, more precise than the service's, which is "Essential container in task
        exited" for every exit code."""
        if self.status == "SUCCEEDED":
            return ""
        if self.exit_code is not None:
            known = _REASONS.get(self.exit_code)
            text = f"exited {self.exit_code}" + (f": {known}" if known else "")
            return f"{text} ({self.container_reason})" if self.container_reason else text
        return self.container_reason or self.status_reason

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"reason": self.reason}


def from_detail(detail: Any) -> Job:
    """Read a JobDetail of DescribeJobs."""
    container: dict[str, Any] = detail.get("container", {})
    attempts: list[dict[str, Any]] = detail.get("attempts", [])
    in_attempt: dict[str, Any] = attempts[-1].get("container", {}) if attempts else {}
    array, nodes = detail.get("arrayProperties", {}), detail.get("nodeProperties", {})
    return Job(
        job_id=detail["jobId"],
        name=detail["jobName"],
        status=detail["status"],
        status_reason=detail.get("statusReason", ""),
        exit_code=container.get("exitCode", in_attempt.get("exitCode")),
        container_reason=container.get("reason", in_attempt.get("reason", "")),
        attempts=len(attempts),
        created_at_ms=detail.get("createdAt"),
        started_at_ms=detail.get("startedAt"),
        stopped_at_ms=detail.get("stoppedAt"),
        array_size=array.get("size"),
        array_summary=array.get("statusSummary"),
        nodes=nodes.get("numNodes"),
        main_node=nodes.get("mainNode", 0),
        log_stream=container.get("logStreamName", in_attempt.get("logStreamName")),
    )


def describe(batch: BatchClient, job_ids: Iterable[str]) -> dict[str, Job]:
    """Describe any number of jobs; those that AWS Batch no longer knows are left out."""
    ids, described = list(job_ids), dict[str, Job]()
    for start in range(0, len(ids), DESCRIBE_MAX):
        for detail in batch.describe_jobs(jobs=ids[start : start + DESCRIBE_MAX])["jobs"]:
            job = from_detail(detail)
            described[job.job_id] = job
    return described


def failed_children(batch: BatchClient, parent: Job) -> list[str]:
    """Return the ids of an array's failed children, in the order of their index.

    With a status, ListJobs returns up to 1,000 jobs a page
    (https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html).
    """
    pages = batch.get_paginator("list_jobs").paginate(
        arrayJobId=parent.job_id, jobStatus="FAILED", PaginationConfig={"PageSize": 1000}
    )
    ids = [summary["jobId"] for page in pages for summary in page["jobSummaryList"]]
    return sorted(ids, key=lambda job_id: number_of(job_id) or 0)


def by_name(batch: BatchClient, queue: str, name: str) -> dict[str, list[str]]:
    """Return the ids, oldest first, of the queue's jobs whose name is `name`, or starts with it if it ends in `*`."""
    ids = dict[str, list[str]]()
    pages = batch.get_paginator("list_jobs")
    for page in pages.paginate(jobQueue=queue, filters=[{"name": "JOB_NAME", "values": [name]}]):
        for summary in sorted(page["jobSummaryList"], key=lambda item: item.get("createdAt", 0)):
            ids.setdefault(summary["jobName"], []).append(summary["jobId"])
    return ids


def node_id(job_id: str, node: int) -> str:
    """Return the job id of one node of a multi-node job."""
    return f"{job_id}#{node}"


def number_of(job_id: str) -> int | None:
    """Return the array index or node index at the end of a child's or node's id."""
    for separator in (":", "#"):
        _, separated, number = job_id.rpartition(separator)
        if separated and number.isdigit():
            return int(number)
    return None


def exit_code_of(batch: BatchClient, job: Job) -> int | None:
    """Return the exit code of a job, None if no command exited.

    That of a multi-node job is its main node's, that of an array its first failed child's.
    """
    if job.status == "SUCCEEDED":
        return 0
    if job.nodes is not None:
        main = node_id(job.job_id, job.main_node)
        node = describe(batch, [main]).get(main)
        return job.exit_code if node is None or node.exit_code is None else node.exit_code
    if job.array_size is not None:
        failed = failed_children(batch, job)[:1]
        return next((child.exit_code for child in describe(batch, failed).values()), None)
    return job.exit_code
