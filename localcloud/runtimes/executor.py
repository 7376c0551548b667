"""The executor that runs containers: one for a single job, all nodes together for a multi-node job."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import tempfile
import uuid
from pathlib import Path

from ministack.services import ecs_metadata

from localcloud.batch import job_variables as env
from localcloud.batch import spot_notice
from localcloud.batch.executor import EXITED
from localcloud.batch.logs import LogStream, stream_name
from localcloud.batch.model import Attempt, Job, now_ms
from localcloud.batch.secrets import secret_values
from localcloud.batch.volumes import MountError, mounts
from localcloud.json_types import Json
from localcloud.runtimes import Runtime, StartError, Task
from localcloud.services.ecr import ImageError
from localcloud.settings import Settings

NOT_STARTED = "Task failed to start"
STOP_TIMEOUT_S = 30
"""Time between SIGTERM and SIGKILL (ECS_CONTAINER_STOP_TIMEOUT)."""


class RuntimeExecutor:
    """Executor on a runtime."""

    def __init__(self, settings: Settings, runtime: Runtime) -> None:
        self._settings = settings
        self._runtime = runtime

    async def run(self, job: Job) -> None:
        if job.kind == "multi-node":
            await self._run_nodes(job)
        else:
            await self._run_container(job, None)

    def stop(self, job: Job) -> None:
        for attempt in _live(job):
            self._end(attempt, "stop")

    def kill(self, job: Job) -> None:
        for attempt in _live(job):
            self._end(attempt, "kill")

    def lose_host(self, job: Job) -> None:
        for attempt in _live(job):
            attempt.host_lost = True
        self.stop(job)

    def cut(self, attempt: Attempt, other: Attempt | None, port: int | None) -> None:
        self._runtime.cut(attempt, other, port)

    def close(self) -> None:
        self._runtime.close()

    def _end(self, attempt: Attempt, how: str) -> None:
        """End an attempt; one that is still starting ends as soon as it runs."""
        attempt.ending = "kill" if "kill" in (how, attempt.ending) else "stop"
        if attempt.process is not None and how == "kill":
            attempt.process.signal(signal.SIGKILL)
        elif attempt.process is not None:
            attempt.process.stop(STOP_TIMEOUT_S * self._settings.time_scale)

    async def _run_nodes(self, job: Job) -> None:
        """Start the main node, then the others; when the main node ends, so does the job
        (https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html)."""
        main = job.children[job.main_node]
        main_ended = asyncio.ensure_future(self._run_container(main, job))
        await asyncio.sleep(0)
        attempt = main.attempts[-1]
        job.attempts.append(attempt)
        await attempt.begun.wait()
        ends = [main_ended]
        others = [node for node in job.children if node is not main]
        random.shuffle(others)
        for node in others:
            if attempt.process is None or main_ended.done() or job.stop_reason is not None:
                break
            ends.append(asyncio.ensure_future(self._run_container(node, job)))
            await asyncio.sleep(0)
        await main_ended
        # Ends the nodes that have started; the others never start.
        self.stop(job)
        await asyncio.gather(*ends)

    async def _run_container(self, member: Job, parent: Job | None) -> None:
        """Run the container of a single job, or of one node of the job `parent`."""
        attempt = Attempt(uuid.uuid4().hex)
        member.attempts.append(attempt)
        member.set_status("STARTING")
        attempt.address = self._runtime.next_address() if parent is not None else None
        folder = self._make_folder()
        attempt.instance_folder = folder / "instance"
        try:
            await self._execute(member, parent, attempt, folder)
        finally:
            attempt.begun.set()
            ecs_metadata.unregister_token(attempt.task_id)
            attempt.stopped_at = now_ms()
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if parent is not None:
            member.stopped_at = attempt.stopped_at
            member.status_reason = attempt.status_reason
            member.set_status("SUCCEEDED" if attempt.exit_code == 0 else "FAILED")

    async def _execute(self, member: Job, parent: Job | None, attempt: Attempt, folder: Path) -> None:
        """Pull the image, create the log stream, run the container. Failures are recorded in the attempt as in ECS."""
        attempt.status_reason = NOT_STARTED
        stream = None
        try:
            began, image = now_ms(), await self._runtime.pull(member.container["image"])
            attempt.pulled_at = began, now_ms()
            name = stream_name(member.container, member.definition["jobDefinitionName"], attempt.task_id)
            stream = _open_stream(member, name)
            task = self._task(member, parent, attempt, folder, image, stream)
            env.register_metadata(member, parent or member, attempt)
            await self._run_task(task, parent or member, name)
        except (ImageError, StartError) as error:
            attempt.reason = str(error)[:255]
            attempt.exit_code = getattr(error, "exit_code", None)
        if stream is not None:
            stream.close()

    def _task(
        self, member: Job, parent: Job | None, attempt: Attempt, folder: Path, image: Json, stream: LogStream
    ) -> Task:
        assert attempt.instance_folder is not None, "set with the folder"  # noqa: S101
        own = {spot_notice.PATH: attempt.instance_folder}
        try:
            return Task(
                member=member,
                attempt=attempt,
                folder=folder,
                image=image,
                secrets=secret_values(member.scope, member.container.get("secrets", [])),
                mounts=mounts(self._settings, member.scope, member.container, own),
                variables=env.variables(self._settings, member, parent, attempt),
                marker=env.metadata_uri(self._settings, attempt),
                write=stream.write,
            )
        except LookupError as error:
            raise StartError(
                f"ResourceInitializationError: unable to pull secrets or registry auth: {error}"
            ) from error
        except MountError as error:
            raise StartError(
                f"ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: {error}"
            ) from error

    async def _run_task(self, task: Task, job: Job, stream: str) -> None:
        attempt = task.attempt
        try:
            attempt.process = await self._runtime.start(task)
            attempt.stream = stream
            attempt.started_at = now_ms()
            attempt.begun.set()
            for item in {task.member, job}:
                item.started_at = attempt.started_at
                item.set_status("RUNNING")
            if attempt.ending:
                self._end(attempt, attempt.ending)
            attempt.exit_code = await attempt.process.exited
            attempt.status_reason = job.stop_reason or EXITED
            if attempt.host_lost and job.stop_reason is None:
                attempt.exit_code = None
                attempt.status_reason = f"Host EC2 (instance {attempt.instance_id}) terminated."
        finally:
            attempt.reason = await self._runtime.remove(task)

    def _make_folder(self) -> Path:
        jobs = self._settings.state_dir / "jobs"
        jobs.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=jobs))
        (folder / "instance").mkdir()
        return folder


def _open_stream(member: Job, name: str) -> LogStream:
    try:
        return LogStream(member.scope, member.container, name)
    except LookupError as error:
        raise StartError(f"CannotStartContainerError: failed to initialize logging driver: {error}") from error


def _live(job: Job) -> list[Attempt]:
    members = job.children or [job]
    attempts = [member.attempts[-1] for member in members if member.attempts]
    return [item for item in attempts if item.stopped_at is None]
