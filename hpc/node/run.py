"""A task of a run, from its lease to its status: stage in, the user's command, stage out, the true exit code."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from hpc import contract
from hpc.node import lease, rows
from hpc.node import request as requests
from hpc.node.failure import Failure, say
from hpc.node.instance import facts
from hpc.node.place import Place, from_environment
from hpc.node.process import Supervisor, signal_name
from hpc.node.s3 import S3, S3Error
from hpc.node.storage import Stored
from hpc.node.task import Task, prepare


@dataclass(frozen=True)
class Outcome:
    exit_code: int
    reason: str = ""


def run(argv: list[str]) -> int:
    """Run this container's share of the run; return the exit code."""
    supervisor = Supervisor()
    try:
        place = from_environment(os.environ)
        s3 = S3()
        if place.is_main:
            return _lead(s3, place, supervisor, argv)
        from hpc.node import multi_node

        return multi_node.follow(s3, place, supervisor)
    except Failure as failure:
        say(str(failure))
        return failure.exit_code
    finally:
        supervisor.interruptible = False
        supervisor.end_all()


# -------------------------------------------------------------------------------- a single container, or the main node


def _lead(s3: S3, place: Place, supervisor: Supervisor, argv: list[str]) -> int:
    lease.take(s3, place)
    started_at = now()
    request = requests.load(s3, place)
    if place.command_in_request:
        argv = list(request.command)
    if request.layout.pack > 1:
        from hpc.node.pack import run_pack

        return run_pack(s3, place, request, supervisor, argv)
    task = prepare(s3, place, request, os.environ, supervisor)
    try:
        if place.nodes > 1:
            from hpc.node import multi_node

            outcome, outputs = multi_node.lead(task, supervisor, argv)
        else:
            say(f"task {request.index}, attempt {place.attempt}, run {place.run_id}{where()}")
            try:
                row = rows.read(s3, place, request.positions)[0] if request.has_tasks else None
                outcome, outputs = run_task(task, supervisor, row, argv)
            except Failure as failure:
                supervisor.interruptible = False
                outcome, outputs = Outcome(failure.exit_code, str(failure)), []
        if outcome.reason:
            say(outcome.reason)
        exit_code = _report(task, outcome, outputs, started_at)
        if exit_code:
            task.ending.hold()
        return exit_code
    finally:
        task.remove()


def run_task(
    task: Task, supervisor: Supervisor, row: rows.Row | None, argv: Sequence[str]
) -> tuple[Outcome, list[Stored]]:
    """Run one task on this node: stage in, the command with the row filled in, stage out."""
    try:
        request, command = (task.request, list(argv)) if row is None else rows.fill(task.request, row, argv)
        task = replace(task, request=request)
        outcome = run_command(task, supervisor, command, task.stage_in())
    except Failure as failure:
        outcome = Outcome(failure.exit_code, str(failure))
    supervisor.interruptible = False
    supervisor.end_all()
    task.last_save(succeeded=outcome.exit_code == 0)
    return stage_out(task, outcome)


def run_command(task: Task, supervisor: Supervisor, command: list[str], env: dict[str, str]) -> Outcome:
    """Run the command to its end, and look whether it left what it should."""
    ended: list[int] = []
    supervisor.interruptible = False  # from here on the signals are the command's
    began = time.monotonic()
    supervisor.start(command, env, ended.append, task.workdir)
    with task.watched(supervisor):
        supervisor.turn_until(lambda: bool(ended))
    exit_code = ended[0]
    task.phases["command_s"] = round(time.monotonic() - began, 3)
    if exit_code:
        by_signal = signal_name(exit_code)
        how = f"was ended by {by_signal}" if by_signal else f"ended with exit code {exit_code}"
        if task.ending.killed:
            how = "did not end in time and was killed"
        return Outcome(exit_code, f"the command {how}")
    missing = task.missing_outputs()
    if missing:
        return Outcome(
            contract.EXIT_MISSING_OUTPUT, f"the command ended with exit code 0 but left nothing at {', '.join(missing)}"
        )
    return Outcome(0)


def stage_out(task: Task, outcome: Outcome) -> tuple[Outcome, list[Stored]]:
    """Store what the task left; where that fails, a command that succeeded has failed."""
    try:
        return outcome, task.stage_out(failed=outcome.exit_code != 0)
    except Failure as failure:
        if outcome.exit_code:
            say(str(failure))
            return outcome, []
        return Outcome(failure.exit_code, str(failure)), []


def status_of(task: Task, outcome: Outcome, outputs: list[Stored], started_at: str) -> dict[str, Any]:
    """Return what is kept of a task that has ended."""
    return {
        "index": task.request.index,
        "job_id": task.place.job_id,
        "attempt": task.place.attempt,
        "exit_code": outcome.exit_code,
        "reason": outcome.reason,
        "started_at": started_at,
        "stopped_at": now(),
        "instance": facts(os.environ),
        "phases": task.phases,
        "outputs": [asdict(item) for item in outputs],
    }


def _report(task: Task, outcome: Outcome, outputs: list[Stored], started_at: str) -> int:
    """Write the status, last of all; return the exit code."""
    place, status = task.place, status_of(task, outcome, outputs, started_at)
    try:
        if place.nodes > 1:  # the other nodes have sent theirs
            prefix = place.paths.output(task.request.index)
            status["outputs"] = [{"key": key, "size": size} for key, size, _ in task.s3.list(place.bucket, prefix)]
        task.s3.put(place.bucket, place.paths.status(task.request.index), json.dumps(status).encode())
    except S3Error as error:
        say(f"cannot write the status of this task: {error}")
        return outcome.exit_code or contract.EXIT_STAGE_OUT
    return outcome.exit_code


def where() -> str:
    """Return on what kind of instance this is, if it is known."""
    found = facts(os.environ)
    return f", on {found['instance_type']} in {found['zone']}, {found['purchasing']}" if found else ""


def now() -> str:
    """Return the time as the status writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
