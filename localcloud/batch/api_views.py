"""Jobs in the form of DescribeJobs and ListJobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from localcloud.batch.compute_environments import find_queue
from localcloud.batch.errors import BatchError
from localcloud.batch.model import Attempt, Job, State, now_ms
from localcloud.json_types import Json

ALL_STATUSES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")


def _without_none(items: Json) -> Json:
    return {key: value for key, value in items.items() if value is not None}


def _attempt_container(attempt: Attempt) -> Json:
    address = attempt.address
    return _without_none(
        {
            "exitCode": attempt.exit_code,
            "reason": attempt.reason,
            "logStreamName": attempt.stream,
            "networkInterfaces": None if address is None else [{"privateIpv4Address": address}],
        }
    )


def _container(job: Job) -> Json:
    last = job.attempts[-1] if job.attempts else None
    task = {} if last is None else {"taskArn": job.scope.arn(f"task/{last.task_id}", "ecs")}
    return job.container | task | (_attempt_container(last) if last is not None else {})


def _attempts(job: Job) -> list[Json]:
    return [
        _without_none({
            "container": _attempt_container(attempt), "startedAt": attempt.started_at,
            "stoppedAt": attempt.stopped_at, "statusReason": attempt.status_reason,
        })
        for attempt in job.attempts if attempt.stopped_at is not None
    ]  # fmt: skip


def _array(job: Job) -> Json | None:
    if job.kind == "array":
        summary = {status: job.counts[status] for status in ALL_STATUSES}
        return {"size": len(job.children), "statusSummary": summary, "statusSummaryLastUpdatedAt": now_ms()}
    return {"index": job.index} if job.is_array_child else None


def _node_summary(job: Job) -> Json | None:
    if job.kind == "multi-node":
        return {"numNodes": len(job.children)}
    if job.kind == "node" and job.parent is not None:
        return {"nodeIndex": job.index, "isMainNode": job.index == job.parent.main_node}
    return None


def detail(job: Job) -> Json:
    """Return a JobDetail (https://docs.aws.amazon.com/batch/latest/APIReference/API_JobDetail.html)."""
    request = job.request
    return _without_none(
        {
            "jobArn": job.scope.arn(f"job/{job.job_id}"),
            "jobName": job.name,
            "jobId": job.job_id,
            "jobQueue": job.queue.detail["jobQueueArn"],
            "status": job.status,
            "shareIdentifier": request.share or None,
            "schedulingPriority": job.priority or None,
            "attempts": _attempts(job),
            "statusReason": job.status_reason,
            "createdAt": job.created_at,
            "retryStrategy": {"attempts": 1, "evaluateOnExit": []} | request.retry,
            "startedAt": job.started_at,
            "stoppedAt": job.stopped_at,
            "dependsOn": list(request.depends_on),
            "jobDefinition": job.definition["jobDefinitionArn"],
            "parameters": request.parameters,
            "container": None if job.kind == "multi-node" else _container(job),
            "nodeDetails": _node_summary(job) if job.kind == "node" else None,
            "nodeProperties": job.node_properties or None,
            "arrayProperties": _array(job),
            "timeout": None if request.timeout_s is None else {"attemptDurationSeconds": request.timeout_s},
            "tags": request.tags,
            "propagateTags": request.propagate_tags,
            "platformCapabilities": ["EC2"],
            "isCancelled": job.is_cancelled,
            "isTerminated": job.is_terminated,
        }
    )


def summary(job: Job) -> Json:
    """Return a JobSummary (https://docs.aws.amazon.com/batch/latest/APIReference/API_JobSummary.html)."""
    last = job.attempts[-1] if job.attempts else None
    container = {} if last is None else _without_none({"exitCode": last.exit_code, "reason": last.reason})
    return _without_none(
        {
            "jobArn": job.scope.arn(f"job/{job.job_id}"),
            "jobId": job.job_id,
            "jobName": job.name,
            "createdAt": job.created_at,
            "shareIdentifier": job.request.share or None,
            "status": job.status,
            "statusReason": job.status_reason,
            "startedAt": job.started_at,
            "stoppedAt": job.stopped_at,
            "container": container or None,
            "arrayProperties": _array(job),
            "nodeProperties": _node_summary(job),
            "jobDefinition": job.definition["jobDefinitionArn"],
            "isCancelled": job.is_cancelled,
            "isTerminated": job.is_terminated,
        }
    )


def describe_jobs(state: State, params: Json) -> Json:
    ids = params["jobs"]
    if len(ids) > 100:
        raise BatchError(f"jobs: {len(ids)} ids given, at most 100 are allowed")
    return {"jobs": [detail(state.jobs[job_id]) for job_id in ids if job_id in state.jobs]}


def list_jobs(state: State, params: Json, lag_s: float) -> Json:
    """Answer ListJobs (https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html), newest first."""
    sources = [key for key in ("jobQueue", "arrayJobId", "multiNodeJobId") if params.get(key)]
    if len(sources) != 1:
        raise BatchError("Exactly one of jobQueue, arrayJobId and multiNodeJobId must be given")
    filters = params.get("filters", [])
    largest = 100 if filters else 1000
    size = params.get("maxResults", largest)
    if not 1 <= size <= largest:
        raise BatchError(f"maxResults {size} must be between 1 and {largest}")
    if sources == ["jobQueue"]:
        jobs: Iterable[Job] = reversed(find_queue(state, params["jobQueue"]).jobs)
        accept = _filter(filters, params)
    else:
        if filters:
            raise BatchError("filters apply to jobs of a queue, not to children")
        parent = state.jobs.get(params[sources[0]])
        kind = "array" if sources == ["arrayJobId"] else "multi-node"
        jobs = reversed(parent.children) if parent is not None and parent.kind == kind else []
        accept = _has_status(params)
    youngest = now_ms() - lag_s * 1000
    below = _cursor(params.get("nextToken"))
    found = [job for job in jobs if job.sequence < below and job.created_at <= youngest and accept(job)]
    answer: Json = {"jobSummaryList": [summary(job) for job in found[:size]]}
    if len(found) > size:
        answer["nextToken"] = str(found[size - 1].sequence)
    return answer


def _cursor(token: str | None) -> float:
    if token is None:
        return float("inf")
    if not token.isdecimal():
        raise BatchError(f"nextToken {token!r} is invalid")
    return int(token)


def _has_status(params: Json) -> Callable[[Job], bool]:
    return lambda job: job.status == params.get("jobStatus", "RUNNING")


def _filter(filters: list[Json], params: Json) -> Callable[[Job], bool]:
    if not filters:
        return _has_status(params)
    if len(filters) > 1 or len(filters[0].get("values", [])) != 1:
        raise BatchError("filters takes one filter with one value")
    name, value = filters[0].get("name"), filters[0]["values"][0]
    tests: dict[Any, Callable[[Job], bool]] = {
        "JOB_NAME": lambda job: _like(value.lower(), job.name.lower()),
        "JOB_DEFINITION": lambda job: (
            _like(value, job.definition["jobDefinitionName"]) or value in _definition_names(job)
        ),
        "BEFORE_CREATED_AT": lambda job: job.created_at < _milliseconds(value),
        "AFTER_CREATED_AT": lambda job: job.created_at > _milliseconds(value),
        "SHARE_IDENTIFIER": lambda job: (
            job.request.share == value and ("jobStatus" not in params or job.status == params["jobStatus"])
        ),
    }
    if name not in tests:
        raise BatchError(f"filter name {name!r} must be one of {list(tests)}")
    return tests[name]


def _like(pattern: str, text: str) -> bool:
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def _definition_names(job: Job) -> set[str]:
    arn = job.definition["jobDefinitionArn"]
    return {arn, arn.rpartition("/")[2]}


def _milliseconds(value: str) -> float:
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(value).timestamp() * 1000
    except ValueError:
        raise BatchError(f"{value!r} is not a time in milliseconds since 1970") from None
