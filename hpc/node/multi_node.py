"""Multi-node jobs: the main node runs the command, the others start processes at its request."""

from __future__ import annotations

import os

from hpc.contract import exit_codes, variables
from hpc.contract.task_status import StoredOutput
from hpc.node import request as requests
from hpc.node.execute import Outcome, run_command, stage_out, where
from hpc.node.failure import Failure, say
from hpc.node.job_context import JobContext, heartbeat_s, rendezvous_timeout_s
from hpc.node.s3.client import S3
from hpc.node.supervisor import Interrupted, Supervisor
from hpc.node.task import Task, prepare
from hpc.node.wireup import efa, heartbeat, mpi
from hpc.node.wireup.address import own_address
from hpc.node.wireup.main_node import MainNode
from hpc.node.wireup.worker_node import join, leave_note

END_GRACE_S = 20.0
"""Seconds for which a node that received SIGTERM waits for the main node's message: AWS Batch kills after 30 s
(https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJob.html)."""


def lead(task: Task, supervisor: Supervisor, argv: list[str]) -> tuple[Outcome, list[StoredOutput]]:
    """Run the command on the main node once all others are ready; return its outcome and this node's outputs."""
    address = own_address(os.environ)
    _introduce(task.context, address)
    settings = {**os.environ, **task.request.environment}
    main = MainNode(task.context, address, supervisor, heartbeat_s(settings))
    try:
        main.announce(task.s3)
        usable = efa.check(settings)
        main.gather(task.s3, rendezvous_timeout_s(settings))
        env = {**task.stage_in(), variables.ENV_NODE_ADDRESS: address}
        main.wait_ready()
        fabric = efa.settings(efa.mode(settings), usable=usable and main.all_have_efa)
        mpi.note_little_shared_memory(task.request.slots)
        env = main.environment(task.request.slots, task.node_folder, env, fabric)
    except Failure as failure:
        supervisor.interruptible = False
        main.give_up(task.s3, str(failure))
        heartbeat.stop()
        return Outcome(failure.exit_code, str(failure)), []
    try:
        if task.request.every_node:
            env = main.start_everywhere(argv, env)
        outcome = run_command(task, supervisor, argv, env)
        if task.request.every_node and outcome.exit_code == 0:
            main.await_commands()
    except Failure as failure:
        outcome = Outcome(failure.exit_code, str(failure))
    supervisor.interruptible = False
    main.command_ended()
    main.release()
    supervisor.end_all()
    if outcome.exit_code:
        task.last_save(succeeded=False)
    outcome, outputs = stage_out(task, outcome)
    try:
        main.finish()
    except Failure as failure:
        if outcome.exit_code == 0 or failure.exit_code == exit_codes.NODE_LOST:
            outcome = Outcome(failure.exit_code, str(failure))
        else:
            say(str(failure))
    heartbeat.stop()
    if outcome.exit_code == 0:
        task.last_save(succeeded=True)
    return outcome, outputs


def follow(s3: S3, context: JobContext, supervisor: Supervisor) -> int:
    """Serve as another node until the main node ends the job; return the exit code.

    Raises:
        Failure: this node cannot continue, or the main node was lost.
    """
    address = own_address(os.environ)
    _introduce(context, address)
    task = worker = None
    try:
        request = requests.load(s3, context)
        settings = {**os.environ, **request.environment}
        usable = efa.check(settings)
        task = prepare(s3, context, request, os.environ, supervisor)
        worker = join(s3, context, address, supervisor, rendezvous_timeout_s(settings))
        with task.watched(supervisor, notify_only=True):
            try:
                env = {**mpi.root_settings(), **task.stage_in(), variables.ENV_NODE_ADDRESS: address}
                worker.serve(env, task.workdir, efa=usable)
            except Interrupted:
                supervisor.interruptible = False
                worker.await_end(END_GRACE_S)
        supervisor.interruptible = False
        if task.interruption.is_near:
            task.last_save(succeeded=False)
        task.stage_out()
    except Failure as failure:
        supervisor.interruptible = False
        if worker:
            worker.failed(failure)
        else:
            leave_note(s3, context, failure)
        raise
    finally:
        heartbeat.stop()
        supervisor.end_all()
        if task:
            task.remove()
    worker.finished()
    return 0


def _introduce(context: JobContext, address: str) -> None:
    say(
        f"node {context.node} of {context.nodes} at {address}, attempt {context.attempt}, run {context.run_id}{where()}"
    )
