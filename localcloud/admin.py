"""Operations for tests that no AWS API has: inspect the running jobs, and break them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from localcloud.batch.engine import Engine
from localcloud.batch.errors import BatchError
from localcloud.batch.model import Job

PREFIX = "/_localcloud/"


def answer(engine: Engine, path: str) -> tuple[int, bytes]:
    """Run the operation that a path below `PREFIX` names, with its arguments; return status and body."""
    name, *arguments = [unquote(part) for part in path.removeprefix(PREFIX).split("/")]
    try:
        result = OPERATIONS[name](engine, *arguments)
    except BatchError as error:
        return error.status, json.dumps({"message": str(error)}).encode()
    except (KeyError, TypeError, ValueError) as error:
        return 400, json.dumps({"message": f"{path}: {error}; there are {', '.join(OPERATIONS)}"}).encode()
    return 200, json.dumps(result).encode()


def _jobs(engine: Engine) -> list[dict[str, Any]]:
    """Return the running jobs with their containers."""
    return [_running_job(job) for job in engine.running]


def _running_job(job: Job) -> dict[str, Any]:
    members = job.children or [job]
    tasks = [
        {"jobId": member.job_id, "node": member.index if job.children else None, "pid": attempt.process.pid,
         "address": attempt.address, "attempt": len(member.attempts), "instance": attempt.instance_id,
         "pulledMs": attempt.pulled_at, "startedMs": attempt.started_at}
        for member in members if member.attempts
        for attempt in [member.attempts[-1]] if attempt.process is not None and attempt.stopped_at is None
    ]  # fmt: skip
    return {"jobId": job.job_id, "jobName": job.name, "status": job.status, "tasks": tasks}


def _list_lag_s(engine: Engine, lag_s: str) -> float:
    """Make ListJobs omit jobs younger than `lag_s`."""
    engine.settings = dataclasses.replace(engine.settings, list_lag_s=float(lag_s))
    return engine.settings.list_lag_s


def _reclaim(engine: Engine, job_id: str, notice_s: str = "") -> str:
    return engine.reclaim(job_id, float(notice_s) if notice_s else None)


def _cut(engine: Engine, job_id: str, other: str = "", port: str = "") -> None:
    engine.cut(job_id, other or None, int(port) if port else None)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "jobs": _jobs,
    "list-lag-s": _list_lag_s,
    "reclaim": _reclaim,
    "kill": Engine.kill,
    "cut": _cut,
}
"""Job ids are URL-quoted and name a single job, `<array job>:<index>` or `<multi-node job>#<node>`."""
