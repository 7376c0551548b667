"""Execution of one task on one node: stage in, the user's command, stage out, and the status."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hpc.contract.task_status import StoredOutput, TaskStatus
from hpc.node import task_rows
from hpc.node.failure import Failure, say
from hpc.node.job_context import instance_facts
from hpc.node.supervisor import Supervisor, signal_name
from hpc.node.task import Task


@dataclass(frozen=True)
class Outcome:
    """Result of a task or a command; `reason` is empty on success."""

    exit_code: int
    reason: str = ""


def run_task(
    task: Task, supervisor: Supervisor, row: task_rows.Row | None, argv: Sequence[str]
) -> tuple[Outcome, list[StoredOutput]]:
    """Run one task on this node: stage in, the command with the values of its row, stage out."""
    try:
        task, command = (task, list(argv)) if row is None else task_rows.fill(task, row, argv)
        outcome = run_command(task, supervisor, command, task.stage_in())
    except Failure as failure:
        outcome = Outcome(failure.exit_code, str(failure))
    supervisor.interruptible = False
    supervisor.end_all()
    task.last_save(succeeded=outcome.exit_code == 0)
    return stage_out(task, outcome)


def run_command(task: Task, supervisor: Supervisor, command: list[str], env: dict[str, str]) -> Outcome:
    """Run the command to its end, and check that it wrote all outputs."""
    ended: list[int] = []
    supervisor.interruptible = False  # from here on signals go to the command
    began = time.monotonic()
    supervisor.start(command, env, ended.append, task.workdir)
    with task.watched(supervisor):
        supervisor.turn_until(lambda: bool(ended))
    exit_code = ended[0]
    task.phases["command_s"] = round(time.monotonic() - began, 3)
    if exit_code:
        by_signal = signal_name(exit_code)
        how = f"was ended by {by_signal}" if by_signal else f"ended with exit code {exit_code}"
        if task.interruption.killed:
            how = "did not end in time and was killed"
        return Outcome(exit_code, f"the command {how}")
    try:
        task.check_outputs()
    except Failure as failure:
        return Outcome(failure.exit_code, str(failure))
    return Outcome(0)


def stage_out(task: Task, outcome: Outcome) -> tuple[Outcome, list[StoredOutput]]:
    """Store the outputs; if that fails after a successful command, the task has failed."""
    try:
        return outcome, task.stage_out(failed=outcome.exit_code != 0)
    except Failure as failure:
        if outcome.exit_code:
            say(str(failure))
            return outcome, []
        return Outcome(failure.exit_code, str(failure)), []


def status_of(task: Task, outcome: Outcome, outputs: list[StoredOutput], started_at: str) -> TaskStatus:
    """Return the status of a task that has just ended."""
    return TaskStatus(
        index=task.index,
        job_id=task.context.job_id,
        attempt=task.context.attempt,
        exit_code=outcome.exit_code,
        reason=outcome.reason,
        started_at=started_at,
        stopped_at=now(),
        instance=instance_facts(os.environ),
        phases=task.phases,
        outputs=tuple(outputs),
    )


def where() -> str:
    """Return the kind of this instance for the log; empty if it is unknown."""
    facts = instance_facts(os.environ)
    return f", on {facts['instance_type']} in {facts['zone']}, {facts['purchasing']}" if facts else ""


def now() -> str:
    """Return the current time in the format of the status."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
