"""Ids of runs. A run is one `hpc submit`: one or more Batch jobs, one request, one prefix in S3."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import UTC, datetime

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # no l, o, 0, 1: run ids are read aloud
_RUN_ID = re.compile(r"\d{8}-\d{6}-[a-z0-9]{6}|once-[0-9a-f]{16}")
_JOB_NAME = re.compile(r"(?P<run_id>\d{8}-\d{6}-[a-z0-9]{6}|once-[0-9a-f]{16})-(?P<part>\d+)-.+")

MAX_JOB_NAME = 128
"""Characters: https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html (jobName)."""
MAX_NAME = 100
"""Characters of the user's part of a job name, in addition to run id and part."""


def new(now: datetime | None = None) -> str:
    """Return a new run id, as in `20261122-173355-k3v9qz`: sorted by time, different on every call."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{''.join(secrets.choice(_ALPHABET) for _ in range(6))}"


def from_key(project: str, key: str) -> str:
    """Return the run id of `--once KEY`; the same project and key always give the same run."""
    return f"once-{hashlib.sha256(f'{project}/{key}'.encode()).hexdigest()[:16]}"


def go_on(run_id: str) -> str:
    """Return the instruction to complete an interrupted run."""
    if run_id.startswith("once-"):
        return "repeat the same command: its --once key continues this run"
    return f"repeat the same command with --run {run_id}"


def is_run_id(text: str) -> bool:
    return _RUN_ID.fullmatch(text) is not None


def job_name(run_id: str, part: int, name: str) -> str:
    """Return the Batch job name, by which the jobs of a run can be listed."""
    return f"{run_id}-{part}-{name}"


def of_job_name(name: str) -> tuple[str, int] | None:
    """Return the run id and part in a Batch job name from `job_name`; None for any other name."""
    match = _JOB_NAME.fullmatch(name)
    return (match["run_id"], int(match["part"])) if match else None
