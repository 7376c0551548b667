# ruff: noqa: N803 - as boto3 has them
"""AWS Batch, as far as the runtime uses it: jobs that are submitted, listed late, described and ended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from tests.hpc.fakes.clock import Clock
from tests.hpc.fakes.refusals import refused

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_REQUEST = frozenset(
    {
        "arrayProperties", "containerOverrides", "dependsOn", "jobDefinition", "jobName", "jobQueue", "nodeOverrides",
        "propagateTags", "retryStrategy", "schedulingPriorityOverride", "shareIdentifier", "tags", "timeout",
    }
)  # fmt: skip
ENDED = ("SUCCEEDED", "FAILED")


@dataclass
class BatchJob:
    """A job, and when ListJobs begins to list it."""

    job_id: str
    name: str
    queue: str
    created_at: float
    listed_at: float
    request: dict[str, Any] = field(default_factory=dict[str, Any])
    status: str = "RUNNABLE"
    reason: str = ""
    detail: dict[str, Any] = field(default_factory=dict[str, Any])
    """More of what DescribeJobs says."""

    @property
    def children(self) -> int:
        return int(self.request.get("arrayProperties", {"size": 1})["size"])

    def described(self) -> dict[str, Any]:
        array = self.request.get("arrayProperties")
        return {
            "jobId": self.job_id,
            "jobName": self.name,
            "status": self.status,
            "statusReason": self.reason,
            **({"arrayProperties": array} if array else {"container": {}}),
            **self.detail,
        }


@dataclass
class Batch:
    """Refuses what AWS Batch refuses (https://docs.aws.amazon.com/batch/latest/APIReference/)."""

    clock: Clock
    jobs: dict[str, BatchJob] = field(default_factory=dict[str, BatchJob])
    lag_s: float = 0.0
    """For how long ListJobs does not list a new job."""
    page: int = 100
    described: list[int] = field(default_factory=list[int])
    """How many jobs each call of DescribeJobs asked for."""

    def add(self, job_id: str, status: str = "RUNNABLE", **detail: Any) -> BatchJob:
        """Add a job, a child or a node that the test describes."""
        job = BatchJob(job_id, f"name-{job_id}", "queue", self.clock.now, self.clock.now, status=status, detail=detail)
        self.jobs[job_id] = job
        return job

    def submit_job(self, **request: Any) -> dict[str, Any]:
        assert set(request) <= _REQUEST
        waits = [item["jobId"] for item in request.get("dependsOn", ()) if "jobId" in item]
        size = request.get("arrayProperties", {"size": 2})["size"]
        if (
            not _NAME.fullmatch(request["jobName"])
            or len(waits) > 20
            or not 2 <= size <= 10_000
            or any(job_id not in self.jobs for job_id in waits)
        ):
            raise refused("ClientException", "SubmitJob")
        number = len(self.jobs)
        job_id, created_at = f"{number:08x}-0000-4000-8000-{number:012x}", self.clock.now
        self.jobs[job_id] = BatchJob(
            job_id, request["jobName"], request["jobQueue"], created_at, created_at + self.lag_s, request
        )
        return {"jobId": job_id, "jobName": request["jobName"]}

    def describe_jobs(self, *, jobs: list[str]) -> dict[str, Any]:
        self.described.append(len(jobs))
        if not 1 <= len(jobs) <= 100:
            raise refused("ClientException", "DescribeJobs")
        known = [self.jobs[job_id] for job_id in jobs if job_id in self.jobs]
        return {"jobs": [job.described() for job in known if job.created_at <= self.clock.now]}

    def terminate_job(self, *, jobId: str, reason: str) -> dict[str, Any]:
        assert len(reason) <= 1024
        if jobId not in self.jobs:
            raise refused("ClientException", "TerminateJob")
        job = self.jobs[jobId]
        if job.status not in ENDED:
            job.status, job.reason = "FAILED", reason
        return {}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_jobs"
        return SimpleNamespace(paginate=self._pages)

    def _pages(
        self,
        *,
        jobQueue: str | None = None,
        arrayJobId: str | None = None,
        jobStatus: str | None = None,
        filters: list[dict[str, Any]] | None = None,
        PaginationConfig: dict[str, int] | None = None,
    ) -> Iterator[dict[str, Any]]:
        assert (jobQueue is None) != (arrayJobId is None)
        assert (filters is None) != (jobStatus is None), (
            "with a filter the status is ignored; without, RUNNING is meant"
        )
        if arrayJobId is not None:
            found = [job for job in self.jobs.values() if job.job_id.startswith(f"{arrayJobId}:")]
            found = [job for job in found if job.status == jobStatus]
        else:
            ((kind, (name,)),) = [(item["name"], item["values"]) for item in filters or ()]
            assert kind == "JOB_NAME"
            found = [job for job in self.jobs.values() if job.queue == jobQueue and _matches(name, job.name)]
        found = [job for job in reversed(found) if job.listed_at <= self.clock.now]
        for start in range(0, len(found) or 1, self.page):
            page = found[start : start + self.page]
            yield {
                "jobSummaryList": [
                    {"jobId": job.job_id, "jobName": job.name, "createdAt": int(job.created_at * 1000)} for job in page
                ]
            }


def _matches(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
