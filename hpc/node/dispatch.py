"""Dispatch of a container to its role: one task, several tasks, the main node of a job, or another node."""

from __future__ import annotations

import json
import os
from dataclasses import replace

from hpc.contract import exit_codes
from hpc.contract.task_status import StoredOutput
from hpc.node import lease, task_rows
from hpc.node import request as requests
from hpc.node.execute import Outcome, now, run_task, status_of, where
from hpc.node.failure import Failure, say
from hpc.node.job_context import JobContext, from_environment
from hpc.node.s3.client import S3, S3Error
from hpc.node.supervisor import Supervisor
from hpc.node.task import Task, prepare


def run(argv: list[str]) -> int:
    """Run this container's share of the run; return the exit code."""
    supervisor = Supervisor()
    try:
        context = from_environment(os.environ)
        s3 = S3()
        if context.is_main:
            return _lead(s3, context, supervisor, argv)
        from hpc.node import multi_node

        return multi_node.follow(s3, context, supervisor)
    except Failure as failure:
        say(str(failure))
        return failure.exit_code
    finally:
        supervisor.interruptible = False
        supervisor.end_all()


# -------------------------------------------------------------------------------- a single container, or the main node


def _lead(s3: S3, context: JobContext, supervisor: Supervisor, argv: list[str]) -> int:
    lease.take(s3, context)
    started_at = now()
    request = requests.load(s3, context)
    if context.command_in_request:
        argv = list(request.command)
    if request.layout.pack > 1:
        from hpc.node.packed_tasks import run_pack

        return run_pack(s3, context, request, supervisor, argv)
    positions = request.layout.positions(context.part, context.array_index)
    task = prepare(s3, context, request, os.environ, supervisor)
    try:
        if context.nodes > 1:
            from hpc.node import multi_node

            outcome, outputs = multi_node.lead(task, supervisor, argv)
        else:
            say(f"task {task.index}, attempt {context.attempt}, run {context.run_id}{where()}")
            try:
                row = task_rows.read(s3, context, positions)[0] if request.tasks is not None else None
                outcome, outputs = run_task(task, supervisor, row, argv)
            except Failure as failure:
                supervisor.interruptible = False
                outcome, outputs = Outcome(failure.exit_code, str(failure)), []
        if outcome.reason:
            say(outcome.reason)
        exit_code = _report(task, outcome, outputs, started_at)
        if exit_code:
            task.interruption.hold()
        return exit_code
    finally:
        task.remove()


def _report(task: Task, outcome: Outcome, outputs: list[StoredOutput], started_at: str) -> int:
    """Write the status after everything else; return the exit code."""
    context, status = task.context, status_of(task, outcome, outputs, started_at)
    try:
        if context.nodes > 1:  # the other nodes have stored their outputs
            listed = task.s3.list(context.bucket, context.paths.output(task.index))
            status = replace(status, outputs=tuple(StoredOutput(key=key, size=size) for key, size, _ in listed))
        task.s3.put(context.bucket, context.paths.status(task.index), json.dumps(status.to_json()).encode())
    except S3Error as error:
        say(f"cannot write the status of this task: {error}")
        return outcome.exit_code or exit_codes.STAGE_OUT
    return outcome.exit_code
