"""A child that runs several tasks, one after the other.

Common inputs are staged once. Each task has a separate folder, exit code and outputs. A further attempt runs only the
tasks that have not succeeded.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import replace

from hpc.contract import exit_codes, placeholders
from hpc.contract.run_request import RunRequest
from hpc.contract.task_status import TaskStatus
from hpc.node import task_rows
from hpc.node.execute import Outcome, now, run_task, status_of
from hpc.node.failure import Failure, say
from hpc.node.job_context import JobContext
from hpc.node.s3.client import S3, S3Error
from hpc.node.supervisor import Supervisor
from hpc.node.task import Task, prepare

FLUSH_S = 1.0
"""Seconds after which the status of a task is in S3; tasks that ended later before a kill run again."""


class Statuses:
    """Statuses of the child's tasks: one object, rewritten as tasks end and read by the next attempt."""

    def __init__(self, s3: S3, context: JobContext, supervisor: Supervisor) -> None:
        self._s3, self._supervisor = s3, supervisor
        self._bucket, self._key = context.bucket, context.paths.pack_status(context.part, context.array_index)
        self._records: dict[int, TaskStatus] = {}
        self._flushed_at = 0.0
        self._dirty = self._failed = False
        if context.attempt > 1:
            self._records = self._earlier()

    def exit_code(self, index: int) -> int | None:
        """Return a task's exit code; None if it has not ended."""
        return self._records[index].exit_code if index in self._records else None

    def add(self, record: TaskStatus) -> None:
        """Add the status of a task; write it now, or FLUSH_S after the last write."""
        self._records[record.index] = record
        self._dirty = True
        delay_s = self._flushed_at + FLUSH_S - time.monotonic()
        if delay_s <= 0:
            self.flush()
        else:
            self._supervisor.later(delay_s, self.flush)

    def flush(self) -> bool:
        """Write unwritten statuses; return whether all are written."""
        if self._dirty:
            lines = "".join(json.dumps(record.to_json()) + "\n" for record in self._records.values())
            try:
                self._s3.put(self._bucket, self._key, lines.encode())
                self._dirty = False
            except S3Error as error:
                say(f"cannot write the status of the tasks: {error}")
            self._flushed_at = time.monotonic()
        return not self._dirty

    def _earlier(self) -> dict[int, TaskStatus]:
        try:
            lines = self._s3.get(self._bucket, self._key).splitlines()
        except S3Error as error:
            if error.status in {403, 404}:  # an earlier attempt ended before its first task
                return {}
            raise Failure(
                exit_codes.STAGE_IN, f"cannot read the statuses of the last attempt's tasks: {error}"
            ) from error
        records = [TaskStatus.from_json(json.loads(line)) for line in lines]
        return {record.index: record for record in records}


def run_pack(s3: S3, context: JobContext, request: RunRequest, supervisor: Supervisor, argv: Sequence[str]) -> int:
    """Run the tasks of this child; return 0 if all have succeeded, else the exit code of the first that failed."""
    positions = request.layout.positions(context.part, context.array_index)
    indexes = [request.layout.index(position) for position in positions]
    statuses = Statuses(s3, context, supervisor)
    todo = [number for number, index in enumerate(indexes) if statuses.exit_code(index) != 0]
    if not todo:
        say("all tasks of this child have succeeded in earlier attempts")
        return 0
    say(f"tasks {indexes[0]} to {indexes[-1]}, {len(todo)} to run, attempt {context.attempt}, run {context.run_id}")
    rows = task_rows.read(s3, context, positions) if request.tasks is not None else []
    base = prepare(s3, context, request, os.environ, supervisor)
    try:
        common = _stage_common(base)
        supervisor.interruptible = False  # from here on signals go to the command, and no further task starts
        for number in todo:
            if base.interruption.is_near:
                break
            row = rows[number] if rows else None
            _run_one(base, common, indexes[number], supervisor, row, argv, statuses)
    finally:
        written = statuses.flush()
        base.remove()
    codes = [statuses.exit_code(index) for index in indexes]
    failed = next((code for code in codes if code), 0)
    if failed or None in codes:
        base.interruption.hold()
    if not failed and None in codes:
        say(f"stopped with {codes.count(None)} tasks to run")
        return 128 + (supervisor.signal or signal.SIGTERM)
    return failed or (0 if written else exit_codes.STAGE_OUT)


def _stage_common(base: Task) -> RunRequest:
    """Stage the inputs that all tasks share; return the request of one task, without them."""
    staged = base.stage_in()
    paths = {item.name: staged[item.name] for item in base.request.inputs}
    return replace(base.request, inputs=(), environment={**base.request.environment, **paths})


def _run_one(
    base: Task,
    request: RunRequest,
    index: int,
    supervisor: Supervisor,
    row: task_rows.Row | None,
    argv: Sequence[str],
    statuses: Statuses,
) -> None:
    say(f"task {index}")
    started_at, folder = now(), base.node_folder / str(index)
    staged = base.workdir if request.workdir else None
    task = replace(base, request=request, index=index, node_folder=folder, staged_workdir=staged, phases={}, quiet=True)
    try:
        (folder / "outputs").mkdir(parents=True)
    except OSError as error:
        outcome, outputs = Outcome(exit_codes.STAGE_IN, f"cannot create folders in {folder}: {error.strerror}"), []
    else:
        outcome, outputs = run_task(task, supervisor, row, argv)
    if outcome.reason:
        say(f"task {index}: {outcome.reason}")
    statuses.add(status_of(task, outcome, outputs, started_at))
    shutil.rmtree(folder, ignore_errors=True)
    for name in placeholders.with_role(row or {}, "--input"):
        shutil.rmtree(base.inputs / name, ignore_errors=True)
