"""A multi-node job: the main node runs the command, the others start what it asks them to."""

from __future__ import annotations

import os

from hpc import contract
from hpc.node import request as requests
from hpc.node.failure import Failure, say
from hpc.node.place import Place, heartbeat_s, rendezvous_timeout_s
from hpc.node.process import Interrupted, Supervisor
from hpc.node.run import Outcome, run_command, stage_out, where
from hpc.node.s3 import S3
from hpc.node.storage import Stored
from hpc.node.task import Task, prepare
from hpc.node.wireup import efa, mpi, pulse
from hpc.node.wireup.address import own_address
from hpc.node.wireup.child import join, leave_word
from hpc.node.wireup.main import MainNode

END_GRACE_S = 20.0
"""For how long a node that was told to stop waits for the main node's word: AWS Batch kills after 30 s
(https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJob.html)."""


def lead(task: Task, supervisor: Supervisor, argv: list[str]) -> tuple[Outcome, list[Stored]]:
    """Run the command on the main node, once all others are ready; return how it ended, and what this node stored."""
    address = own_address(os.environ)
    _introduce(task.place, address)
    settings = {**os.environ, **task.request.environment}
    main = MainNode(task.place, address, supervisor, heartbeat_s(settings))
    try:
        main.announce(task.s3)
        usable = efa.check(settings)
        main.gather(task.s3, rendezvous_timeout_s(settings))
        env = {**task.stage_in(), contract.ENV_NODE_ADDRESS: address}
        main.wait_ready()
        fabric = efa.settings(efa.mode(settings), usable=usable and main.all_have_efa)
        mpi.note_little_shared_memory(task.request.slots)
        env = main.environment(task.request.slots, task.node_folder, env, fabric)
    except Failure as failure:
        supervisor.interruptible = False
        main.give_up(task.s3, str(failure))
        pulse.stop()
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
        if outcome.exit_code == 0 or failure.exit_code == contract.EXIT_NODE_LOST:
            outcome = Outcome(failure.exit_code, str(failure))
        else:
            say(str(failure))
    pulse.stop()
    if outcome.exit_code == 0:
        task.last_save(succeeded=True)
    return outcome, outputs


def follow(s3: S3, place: Place, supervisor: Supervisor) -> int:
    """Be one of the other nodes until the main one says that the job is over; return the exit code.

    Raises:
        Failure: this node cannot go on, or the main node was lost.
    """
    address = own_address(os.environ)
    _introduce(place, address)
    task = child = None
    try:
        request = requests.load(s3, place)
        settings = {**os.environ, **request.environment}
        usable = efa.check(settings)
        task = prepare(s3, place, request, os.environ, supervisor)
        child = join(s3, place, address, supervisor, rendezvous_timeout_s(settings))
        with task.watched(supervisor, only_tells=True):
            try:
                env = {**mpi.root_settings(), **task.stage_in(), contract.ENV_NODE_ADDRESS: address}
                child.serve(env, task.workdir, efa=usable)
            except Interrupted:
                supervisor.interruptible = False
                child.await_end(END_GRACE_S)
        supervisor.interruptible = False
        if task.ending.is_near:
            task.last_save(succeeded=False)
        task.stage_out()
    except Failure as failure:
        supervisor.interruptible = False
        if child:
            child.failed(failure)
        else:
            leave_word(s3, place, failure)
        raise
    finally:
        pulse.stop()
        supervisor.end_all()
        if task:
            task.remove()
    child.finished()
    return 0


def _introduce(place: Place, address: str) -> None:
    say(f"node {place.node} of {place.nodes} at {address}, attempt {place.attempt}, run {place.run_id}{where()}")
