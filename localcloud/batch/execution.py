"""Runs one attempt of a job: one container, or a multi-node job's containers together."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import signal
import tempfile
import uuid
from pathlib import Path
from typing import Protocol

from ministack.services import ecs_metadata

from localcloud.batch import environment as env
from localcloud.batch.logs import LogStream, stream_name
from localcloud.batch.model import Attempt, Job, now_ms
from localcloud.batch.secrets import secret_values
from localcloud.batch.volumes import MountError
from localcloud.process import RunningProcess
from localcloud.registry import ImageError, image_config
from localcloud.settings import Settings

EXITED = "Essential container in task exited"
NOT_STARTED = "Task failed to start"
STOP_TIMEOUT_S = 30
"""Between SIGTERM and SIGKILL (ECS_CONTAINER_STOP_TIMEOUT)."""


class Executor(Protocol):
    async def run(self, job: Job) -> None:
        """Run one attempt; afterwards `job.attempts[-1]` tells how it ended."""

    def stop(self, job: Job) -> None:
        """End it as ECS stops a task."""

    def kill(self, job: Job) -> None:
        """End it now."""

    def lose_host(self, job: Job) -> None:
        """End it as the termination of its instances does."""


class NullExecutor:
    """Marks every job as done and executes nothing: a test that still passes has not looked at results."""

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
        """Nothing runs."""

    kill = lose_host = stop


class ProcessExecutor:
    """Runs containers as processes of this machine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._addresses = itertools.count(random.randrange(1 << 20))  # noqa: S311 - spread, not secrecy

    async def run(self, job: Job) -> None:
        if job.kind == "multi-node":
            await self._run_nodes(job)
        else:
            await self._run_container(job, None)

    def stop(self, job: Job) -> None:
        for attempt in self._live(job):
            attempt.process.stop(STOP_TIMEOUT_S * self._settings.time_scale)

    def kill(self, job: Job) -> None:
        for attempt in self._live(job):
            attempt.process.signal(signal.SIGKILL)

    def lose_host(self, job: Job) -> None:
        for attempt in self._live(job):
            attempt.host_lost = True
        self.stop(job)

    @staticmethod
    def _live(job: Job) -> list[Attempt]:
        members = job.children or [job]
        attempts = [member.attempts[-1] for member in members if member.attempts]
        return [item for item in attempts if item.process is not None and item.stopped_at is None]

    async def _run_nodes(self, job: Job) -> None:
        """Start the main node, then the others; when the main node ends, so does the job
        (https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html)."""
        main = job.children[job.main_node]
        main_ended = asyncio.ensure_future(self._run_container(main, job))
        await asyncio.sleep(0)
        job.attempts.append(main.attempts[-1])
        ends = [main_ended]
        others = [node for node in job.children if node is not main]
        random.shuffle(others)
        for node in others:
            if main.attempts[-1].process is None or main_ended.done() or job.stop_reason is not None:
                break
            ends.append(asyncio.ensure_future(self._run_container(node, job)))
            await asyncio.sleep(0)
        await main_ended
        # Those that started before this point; the others never do.
        for attempt in self._live(job):
            attempt.process.stop(STOP_TIMEOUT_S * self._settings.time_scale)
        await asyncio.gather(*ends)

    async def _run_container(self, member: Job, parent: Job | None) -> None:
        """Run the container of a job, or of one node of the job `parent`."""
        attempt = Attempt(uuid.uuid4().hex)
        member.attempts.append(attempt)
        member.set_status("STARTING")
        attempt.address = self._next_address() if parent is not None else None
        folder = self._make_folder()
        try:
            await self._execute(member, parent, attempt, folder)
        finally:
            ecs_metadata.unregister_token(attempt.task_id)
            attempt.stopped_at = now_ms()
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if parent is not None:
            member.stopped_at = attempt.stopped_at
            member.status_reason = attempt.status_reason
            member.set_status("SUCCEEDED" if attempt.exit_code == 0 else "FAILED")

    async def _execute(self, member: Job, parent: Job | None, attempt: Attempt, folder: Path) -> None:
        job = parent or member
        stream = self._start(member, parent, attempt, folder)
        if attempt.process is not None:
            now = now_ms()
            attempt.started_at = now
            for item in {member, job}:
                item.started_at = now
                item.set_status("RUNNING")
            attempt.exit_code = await attempt.process.exited
            attempt.status_reason = job.stop_reason or EXITED
            if attempt.host_lost and job.stop_reason is None:
                attempt.exit_code = None
                attempt.status_reason = f"Host EC2 (instance i-{attempt.task_id[:17]}) terminated."
        if stream is not None:
            stream.close()

    def _start(self, member: Job, parent: Job | None, attempt: Attempt, folder: Path) -> LogStream | None:
        """Pull, make the log stream, start the process. What fails is told in the attempt, as ECS tells it."""
        attempt.status_reason = NOT_STARTED
        try:
            config = image_config(member.container["image"])
            name = stream_name(member.container, member.definition["jobDefinitionName"], attempt.task_id)
            stream = LogStream(member.scope, member.container, name)
        except ImageError as error:
            attempt.reason = str(error)[:255]
            return None
        except LookupError as error:
            attempt.reason = f"CannotStartContainerError: failed to initialize logging driver: {error}"[:255]
            return None
        try:
            secrets = secret_values(member.scope, member.container.get("secrets", []))
        except LookupError as error:
            attempt.reason = f"ResourceInitializationError: unable to pull secrets or registry auth: {error}"[:255]
            return stream
        try:
            variables = secrets | env.variables(self._settings, member, parent, attempt, folder, config)
        except MountError as error:
            attempt.reason = (
                f"ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: {error}"[:255]
            )
            return stream
        argv = env.command_line(member.container, config)
        env.register_metadata(member, parent or member, attempt)
        try:
            attempt.process = RunningProcess(
                argv, variables, folder / "work", env.metadata_uri(self._settings, attempt), stream.write
            )
        except (OSError, IndexError) as error:
            attempt.exit_code = 127
            attempt.reason = f'CannotStartContainerError: exec "{argv[0] if argv else ""}": {error}'[:255]
        else:
            attempt.stream = name
        return stream

    def _make_folder(self) -> Path:
        jobs = self._settings.state_dir / "jobs"
        jobs.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=jobs))
        (folder / "tmp").mkdir()
        (folder / "work").mkdir()
        return folder

    def _next_address(self) -> str:
        """Return a loopback address that no other node of this local cloud has or soon gets: 127.64.0.1 and on."""
        number = next(self._addresses)
        high, low = divmod(number, 254)
        return f"127.{64 + (high >> 8) % 128}.{high & 255}.{low + 1}"
