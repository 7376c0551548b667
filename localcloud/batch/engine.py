"""The scheduler and the job life cycle: SUBMITTED, PENDING, RUNNABLE, STARTING, RUNNING, SUCCEEDED or FAILED
(https://docs.aws.amazon.com/batch/latest/userguide/job_states.html).

Everything runs in the server's event loop. A job has an asyncio task only while it runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator

from localcloud.batch import spot_notice
from localcloud.batch.errors import BatchError
from localcloud.batch.executor import Executor
from localcloud.batch.model import (
    CANCELLABLE,
    Attempt,
    ComputeEnvironment,
    Job,
    Queue,
    State,
    now_ms,
)
from localcloud.batch.placement import judge
from localcloud.batch.retry import wants_retry
from localcloud.batch.scheduling import time_limit_s, weight
from localcloud.settings import Settings

log = logging.getLogger(__name__)

CHILD_FAILED = "Array Child Job failed"
DEPENDENCY_FAILED = "Dependent Job failed"
TIMED_OUT = "Job attempt duration exceeded timeout"


class Engine:
    def __init__(self, settings: Settings, executor: Executor) -> None:
        self.settings = settings
        self._executor = executor
        self._states: list[State] = []
        self._running: dict[Job, asyncio.Task[None]] = {}
        self._limits: dict[Job, asyncio.TimerHandle] = {}
        """Time limits of jobs that block their queue."""
        self._used_slots = 0
        self._awake = False
        self._stopped = False

    def watch(self, state: State) -> None:
        self._states.append(state)

    # ------------------------------------------------------------------------------------------- before it runs

    def admit(self, job: Job) -> None:
        """Accept a new job, which is SUBMITTED until the next turn of the event loop."""
        asyncio.get_running_loop().call_soon(self._admit, job)

    def _admit(self, job: Job) -> None:
        if job.ended or job.released:
            return
        job.set_status("PENDING")
        for child in job.children if job.kind == "array" else ():
            if not child.ended:
                child.set_status("PENDING")
        if job.doomed:
            self._end(job, False, DEPENDENCY_FAILED)
        elif not job.unmet:
            self._release(job)

    def _release(self, job: Job) -> None:
        """Make a job RUNNABLE when its dependencies have succeeded."""
        job.released = True
        if job.kind != "array":
            self._enqueue(job)
            return
        for child in job.children:
            child.released = True
            if child.doomed:
                self._end(child, False, DEPENDENCY_FAILED)
            elif not child.unmet and not child.ended:
                self._enqueue(child)

    def _enqueue(self, job: Job) -> None:
        job.set_status("RUNNABLE")
        for node in job.children:
            node.set_status("RUNNABLE")
        job.queue.push(job)
        self.wake()

    # ------------------------------------------------------------------------------------------------ scheduling

    def wake(self) -> None:
        """Schedule jobs, once, in the next turn of the event loop."""
        if not self._awake and not self._stopped:
            self._awake = True
            asyncio.get_running_loop().call_soon(self._schedule)

    def _schedule(self) -> None:
        self._awake = False
        for state in self._states:
            for queue in sorted(state.queues.values(), key=lambda item: -item.detail["priority"]):
                while self._start_next(state, queue):
                    pass

    def _start_next(self, state: State, queue: Queue) -> bool:
        """Start the queue's first job if there is room. No job overtakes it: the queue is first in, first out."""
        share = min(queue.runnable, key=lambda name: self._usage(state, queue, name), default=None)
        job = queue.head(share) if share is not None else None
        if job is None:
            return queue.runnable.pop(share, None) is not None if share is not None else False
        if job.kind == "single" and self._used_slots >= self.settings.host_slots:
            return False
        verdict = judge(state, queue, job)
        if verdict.environment is None:
            self._explain(queue, job, verdict.reason)
            return False
        queue.pop(job.request.share)
        self._start(job, verdict.environment)
        return True

    def _usage(self, state: State, queue: Queue, share: str) -> float:
        """Return the weighted current usage of a share; the lowest one is next."""
        used = sum(job.vcpus for job in self._running if job.queue is queue and job.request.share == share)
        return used * weight(state, queue, share)

    def _explain(self, queue: Queue, job: Job, reason: str | None) -> None:
        """Record why the first job of the queue cannot start, and start its time limit."""
        if job.status_reason == reason:
            return
        job.blocks(reason)
        self._forget_limit(job)
        limit_s = time_limit_s(queue, reason)
        if limit_s is not None:
            seconds = limit_s * self.settings.time_scale
            self._limits[job] = asyncio.get_running_loop().call_later(seconds, self._expire, job)

    def _expire(self, job: Job) -> None:
        del self._limits[job]
        if job.status == "RUNNABLE" and job.queue.head(job.request.share) is job:
            job.is_cancelled = True
            self._end(job, False, f"Canceled by JobStateTimeLimit action due to reason: {job.status_reason}")
            self.wake()

    def _forget_limit(self, job: Job) -> None:
        timer = self._limits.pop(job, None)
        if timer is not None:
            timer.cancel()

    def _start(self, job: Job, environment: ComputeEnvironment) -> None:
        job.compute_environment = environment
        environment.used_vcpus += job.vcpus
        self._used_slots += job.kind == "single"
        job.status_reason = None
        self._forget_limit(job)
        job.set_status("STARTING")
        self._running[job] = asyncio.get_running_loop().create_task(self._run(job, environment))

    # --------------------------------------------------------------------------------------------------- running

    async def _run(self, job: Job, environment: ComputeEnvironment) -> None:
        timer = None
        if job.request.timeout_s is not None:
            seconds = job.request.timeout_s * self.settings.time_scale
            timer = asyncio.get_running_loop().call_later(seconds, self._stop, job, TIMED_OUT)
        try:
            await self._executor.run(job)
        except Exception:
            log.exception("job %s", job.job_id)
            job.stop_reason = job.stop_reason or "The local cloud failed to run this job: see its log"
        finally:
            if timer is not None:
                timer.cancel()
            del self._running[job]
            environment.used_vcpus -= job.vcpus
            self._used_slots -= job.kind == "single"
        self._conclude(job)
        self.wake()

    def _conclude(self, job: Job) -> None:
        attempt = job.attempts[-1] if job.attempts else None
        if job.stop_reason is not None or attempt is None:
            self._end(job, False, job.stop_reason or "")
        elif attempt.exit_code == 0:
            self._end(job, True, attempt.status_reason)
        elif len(job.attempts) < job.request.retry.get("attempts", 1) and wants_retry(job.request.retry, attempt):
            self._enqueue(job)
        else:
            self._end(job, False, attempt.status_reason)

    def _stop(self, job: Job, reason: str) -> None:
        """End a running job without retry."""
        job.stop_reason = job.stop_reason or reason
        self._executor.stop(job)

    def replace_instances(self, environment: ComputeEnvironment) -> None:
        """Replace the environment's instances. Running jobs have the time that the update policy allows
        (https://docs.aws.amazon.com/batch/latest/APIReference/API_UpdatePolicy.html)."""
        policy = environment.detail["updatePolicy"]
        minutes = 0 if policy["terminateJobsOnUpdate"] else policy["jobExecutionTimeoutMinutes"]
        for job, run in self._running.items():
            if job.compute_environment is environment:
                seconds = minutes * 60 * self.settings.time_scale
                asyncio.get_running_loop().call_later(seconds, self._lose_host, job, run)

    def _lose_host(self, job: Job, run: asyncio.Task[None]) -> None:
        if self._running.get(job) is run:
            self._executor.lose_host(job)

    def live(self, job_id: str) -> tuple[Job, Attempt]:
        """Return a job or node by its id, and its running attempt.

        Raises:
            BatchError: it has none.
        """
        found = (state.jobs[job_id] for state in self._states if job_id in state.jobs)
        job = next(found, None)
        attempt = job.attempts[-1] if job is not None and job.attempts and not job.children else None
        if job is None or attempt is None or attempt.process is None or attempt.stopped_at is not None:
            raise BatchError(f"{job_id}: no container of this job, or node of a job, runs")
        return job, attempt

    def reclaim(self, job_id: str, notice_s: float | None = None) -> str:
        """Take away the instance of a job or node: after a notice on Spot, else at once like a failing one. Return the
        instance's id.

        Raises:
            BatchError: it does not run.
        """
        job, attempt = self.live(job_id)
        environment = (job if job.kind == "single" else job.parent or job).compute_environment
        seconds = 0.0
        if environment is not None and environment.is_spot and attempt.instance_folder is not None:
            seconds = spot_notice.NOTICE_S * self.settings.time_scale if notice_s is None else notice_s
            spot_notice.announce_end(attempt.instance_folder, seconds)
        asyncio.get_running_loop().call_later(seconds, self._take_instance, job, attempt)
        return attempt.instance_id

    def _take_instance(self, job: Job, attempt: Attempt) -> None:
        if attempt.stopped_at is None:
            self._executor.lose_host(job)

    def kill(self, job_id: str) -> None:
        """Kill the container of a job or node.

        Raises:
            BatchError: it does not run.
        """
        self._executor.kill(self.live(job_id)[0])

    def cut(self, job_id: str, other: str | None, port: int | None) -> None:
        """Cut the network of a node: see `Runtime.cut`.

        Raises:
            BatchError: it does not run, or has no network.
        """
        self._executor.cut(self.live(job_id)[1], self.live(other)[1] if other else None, port)

    # ---------------------------------------------------------------------------------------------------- ending

    def cancel(self, job: Job, reason: str) -> None:
        job.is_cancelled = True
        job.stop_reason = reason if job.kind == "array" else job.stop_reason
        for child in self._leaves(job):
            if child.status in CANCELLABLE:
                child.is_cancelled = True
                self._end(child, False, reason)
        self.wake()

    def terminate(self, job: Job, reason: str) -> None:
        job.is_terminated = True
        job.stop_reason = reason if job.kind == "array" else job.stop_reason
        for child in self._leaves(job):
            child.is_terminated = True
            if child.status in CANCELLABLE:
                self._end(child, False, reason)
            elif not child.ended:
                self._stop(child, reason)
        self.wake()

    @staticmethod
    def _leaves(job: Job) -> list[Job]:
        return list(job.children) if job.kind == "array" else [job]

    def _end(self, job: Job, success: bool, reason: str | None) -> None:
        """Give a job its final status, then its parent and all that depend on it: without recursion, since a
        SEQUENTIAL array is a chain of up to 10,000."""
        todo: deque[tuple[Job, bool, str | None]] = deque([(job, success, reason)])
        while todo:
            job, success, reason = todo.popleft()
            if job.ended:
                continue
            if job.kind == "array" and not success:
                todo.extend((child, False, reason) for child in job.children if child.status in CANCELLABLE)
                if any(child.status not in CANCELLABLE and not child.ended for child in job.children):
                    continue
            job.stopped_at = now_ms()
            job.status_reason = reason
            job.set_status("SUCCEEDED" if success else "FAILED")
            for node in job.children if job.kind == "multi-node" else ():
                if not node.ended:
                    node.set_status(job.status)
            todo.extend(self._consequences(job, success))

    def _consequences(self, job: Job, success: bool) -> Iterator[tuple[Job, bool, str | None]]:
        parent = job.parent
        if parent is not None and parent.counts["SUCCEEDED"] + parent.counts["FAILED"] == len(parent.children):
            failed = parent.counts["FAILED"] > 0
            yield parent, not failed, (parent.stop_reason or CHILD_FAILED) if failed else None
        for dependent in job.dependents:
            if not success:
                dependent.doomed = True
                if dependent.released or dependent.parent is None:
                    yield dependent, False, DEPENDENCY_FAILED
                continue
            dependent.unmet -= 1
            if dependent.unmet or dependent.ended or dependent.doomed:
                continue
            if dependent.parent is None:
                self._release(dependent)
            elif dependent.released:
                self._enqueue(dependent)

    async def shutdown(self) -> None:
        """Kill all jobs and wait until none of their processes is left."""
        self._stopped = True
        for job in list(self._limits):
            self._forget_limit(job)
        tasks = list(self._running.values())
        for job in list(self._running):
            job.stop_reason = "The local cloud is shutting down"
            self._executor.kill(job)
        await asyncio.gather(*tasks, return_exceptions=True)
        self._executor.close()

    @property
    def running(self) -> list[Job]:
        return list(self._running)
