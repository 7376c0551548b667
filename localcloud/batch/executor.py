"""The interface that runs attempts of jobs, and an implementation that runs nothing."""

from __future__ import annotations

import uuid
from typing import Protocol

from localcloud.batch.model import Attempt, Job, now_ms

EXITED = "Essential container in task exited"


class Executor(Protocol):
    async def run(self, job: Job) -> None:
        """Run one attempt; afterwards `job.attempts[-1]` says how it ended."""

    def stop(self, job: Job) -> None:
        """End it the way ECS stops a task."""

    def kill(self, job: Job) -> None:
        """End it at once."""

    def lose_host(self, job: Job) -> None:
        """End it the way the termination of its instances does."""

    def cut(self, attempt: Attempt, other: Attempt | None, port: int | None) -> None:
        """Cut a container's network: see `Runtime.cut`."""

    def close(self) -> None:
        """Release all resources; no job runs any more."""


class NullExecutor:
    """Marks every job SUCCEEDED and executes nothing: a test that still passes does not check results."""

    async def run(self, job: Job) -> None:
        for member in job.children or [job]:
            now = now_ms()
            attempt = Attempt(uuid.uuid4().hex, started_at=now, stopped_at=now, exit_code=0, status_reason=EXITED)
            member.attempts.append(attempt)
            member.started_at = member.stopped_at = now
            if member is not job:
                member.set_status("SUCCEEDED")
        if job.children:
            job.attempts.append(job.children[job.main_node].attempts[-1])
            job.started_at = now_ms()

    def stop(self, job: Job) -> None:
        """Do nothing: nothing runs."""

    kill = lose_host = stop

    def cut(self, attempt: Attempt, other: Attempt | None, port: int | None) -> None:
        """Do nothing: there are no networks."""

    def close(self) -> None:
        """Do nothing: there are no resources."""
