"""Four nodes, each a process with a separate address, and a real mpirun between them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
COUNT = 4
RANK_REPORT = """
import os
from mpi4py import MPI
world = MPI.COMM_WORLD
with open(os.environ["HPC_NODE_LOG"], "a") as log:
    log.write(f"rank {world.rank} of {world.size}, {os.environ['GREETING']}, {open(os.environ['TEXT']).read()}\\n")
with open(f"{os.environ['HPC_OUTPUT_DIR']}/rank", "w") as file:
    file.write(str(world.rank))
total = world.allreduce(world.rank)
if world.rank == 0:
    print("total", total)
"""
RANK_SUM = "from mpi4py import MPI; world = MPI.COMM_WORLD; print('sum', world.allreduce(world.rank))"
MPIRUN = ("mpirun", "-np", "4", "--map-by", "ppr:1:node")
"""One rank on each node."""
SLEEP_FOREVER = (
    *MPIRUN,
    "python",
    "-c",
    "from mpi4py import MPI; import time; print('up', flush=True); time.sleep(600)",
)


def eventually(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within 10 s: {what}")


def ask(job: Any, **changes: Any) -> None:
    job.ask(kind="multi-node", nodes=COUNT, vcpus=2, **changes)


def start(job: Any, *command: str, **more: str) -> list[Any]:
    return [job.start_node(number, COUNT, *command, **more) for number in range(COUNT)]


def wait_for_output(node: Any, text: str) -> None:
    for line in node.process.stdout:
        if text in line:
            return
    raise AssertionError(f"the node ended without {text!r}: {node.process.stderr.read()}")


def ended(text: str) -> bool:
    """Return whether no process has the text in its command line or environment."""
    for folder in Path("/proc").iterdir():
        try:
            seen = folder.name.isdigit() and (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            state = folder.name.isdigit() and (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if seen and text.encode() in seen and state != "Z":
            return False
    return True


def test_every_rank_runs_in_its_own_node_and_reports_there(job: Any) -> None:
    source = job.write("shared/text", "hello")
    ask(job, environment={"GREETING": "good day"}, inputs=[{"name": "TEXT", "uri": source}])
    nodes = start(job, *MPIRUN, "python", "-c", RANK_REPORT)
    assert [node.wait() for node in nodes] == [0, 0, 0, 0], [node.err for node in nodes]
    assert "total 6" in nodes[0].out
    for number, node in enumerate(nodes):
        assert f"node {number} of 4 at 127.0.0.{number + 2}, attempt 1, run {job.run_id}" in node.err
        assert f"rank {number} of 4, good day, hello" in node.err
    assert job.keys("outputs/") == [
        "outputs/0/node-1/rank",
        "outputs/0/node-2/rank",
        "outputs/0/node-3/rank",
        "outputs/0/rank",
    ]
    assert [job.read(job.paths.prefix + key) for key in job.keys("outputs/")] == ["1", "2", "3", "0"]
    assert job.status()["exit_code"] == 0
    assert len(job.status()["outputs"]) == 4
    assert list(job.scratch.iterdir()) == []


def test_two_nodes_of_one_rank_each_reduce_and_end(job: Any) -> None:
    job.ask(kind="multi-node", nodes=2, vcpus=2)
    command = ("mpirun", "-np", "2", "--map-by", "ppr:1:node", "python", "-c", RANK_SUM)
    nodes = [job.start_node(number, 2, *command) for number in range(2)]
    assert [node.wait() for node in nodes] == [0, 0], [node.err for node in nodes]
    assert nodes[0].out.count("sum 1") == 2


def test_a_shell_may_start_mpirun_with_paths_of_the_main_node(job: Any) -> None:
    program = job.write("shared/program.py", "from mpi4py import MPI; print('rank', MPI.COMM_WORLD.rank)")
    ask(job, inputs=[{"name": "PROGRAM", "uri": program}])
    nodes = start(job, "bash", "-c", " ".join(MPIRUN) + " python $PROGRAM")
    assert [node.wait() for node in nodes] == [0, 0, 0, 0], nodes[0].err
    assert sorted(nodes[0].out.split("\n"))[1:] == ["rank 0", "rank 1", "rank 2", "rank 3"]


def test_the_command_sees_a_hostfile_with_the_slots_of_every_node(job: Any) -> None:
    ask(job)
    nodes = start(job, "bash", "-c", "cat $HPC_HOSTFILE")
    assert nodes[0].wait() == 0, nodes[0].err
    assert nodes[0].out == "".join(f"127.0.0.{number} slots=2\n" for number in (2, 3, 4, 5))


def test_slots_that_were_asked_for_take_the_place_of_vcpus(job: Any) -> None:
    ask(job, slots_per_node=1)
    nodes = start(job, "bash", "-c", "cat $HPC_HOSTFILE")
    assert nodes[0].wait() == 0, nodes[0].err
    assert nodes[0].out.count(" slots=1\n") == 4


def test_without_a_run_every_node_runs_the_command_untouched(job: Any) -> None:
    nodes = start(job, "bash", "-c", "echo node $AWS_BATCH_JOB_NODE_INDEX", HPC_RUN_ID="")
    assert [node.wait() for node in nodes] == [0, 0, 0, 0]
    assert [node.out for node in nodes] == [f"node {number}\n" for number in range(COUNT)]


def test_the_exit_code_of_the_job_is_the_commands(job: Any) -> None:
    ask(job)
    nodes = start(job, "bash", "-c", "echo kept > $HPC_OUTPUT_DIR/file; exit 3")
    assert [node.wait() for node in nodes] == [3, 0, 0, 0]
    assert job.status()["exit_code"] == 3
    assert job.keys("outputs/") == ["outputs/0/file"]


def test_a_node_that_never_comes_is_named(job: Any) -> None:
    ask(job, environment={"HPC_RENDEZVOUS_TIMEOUT_S": "3"})
    nodes = [job.start_node(number, COUNT, "true") for number in (0, 1, 3)]
    assert nodes[0].wait() == 73
    assert "node(s) 2 of 4 did not register" in nodes[0].err
    assert all(node.wait() != 0 for node in nodes[1:])
    assert job.status()["exit_code"] == 73


def test_a_main_node_that_never_comes_ends_the_others(job: Any) -> None:
    ask(job, environment={"HPC_RENDEZVOUS_TIMEOUT_S": "2"})
    node = job.start_node(1, COUNT, "true")
    assert node.wait() == 73
    assert f"rendezvous/0/1.json, last answer: GET s3://data/{job.paths.rendezvous(0, 1)}: NoSuchKey" in node.err


def test_killing_a_node_ends_the_job_and_names_the_node(job: Any) -> None:
    ask(job)
    mark = secrets.token_hex(8)
    nodes = start(job, *SLEEP_FOREVER, MARK=mark)
    wait_for_output(nodes[0], "up")
    nodes[2].process.send_signal(signal.SIGKILL)
    assert nodes[0].wait(10) == 74
    assert "node 2 at 127.0.0.4: lost" in nodes[0].err
    assert [nodes[1].wait(10), nodes[3].wait(10)] == [0, 0], (nodes[1].err, nodes[3].err)
    assert job.status()["exit_code"] == 74
    eventually(lambda: ended(mark), "no process of the job is left")


def test_killing_the_main_node_ends_all_others(job: Any) -> None:
    ask(job)
    mark = secrets.token_hex(8)
    nodes = start(job, *SLEEP_FOREVER, MARK=mark)
    wait_for_output(nodes[0], "up")
    nodes[0].process.send_signal(signal.SIGKILL)
    assert [node.wait(10) for node in nodes[1:]] == [74, 74, 74]
    assert "the main node at 127.0.0.2 was lost" in nodes[1].err
    eventually(lambda: ended(mark), "no process of the job is left")


def test_stopping_the_job_reaches_the_ranks_and_every_node_ends(job: Any) -> None:
    ask(job)
    mark = secrets.token_hex(8)
    nodes = start(job, *SLEEP_FOREVER, MARK=mark)
    wait_for_output(nodes[0], "up")
    for node in nodes:  # as AWS Batch does
        node.process.send_signal(signal.SIGTERM)
    codes = [node.wait(20) for node in nodes]
    assert codes[0] not in {0, 74}, nodes[0].err
    assert codes[1:] == [0, 0, 0], nodes[1].err
    eventually(lambda: ended(mark), "no process of the job is left")


def test_a_node_without_its_input_ends_the_job_and_is_named(job: Any) -> None:
    ask(job, inputs=[{"name": "MESH", "uri": "s3://data/nothing/there"}])
    nodes = start(job, "true")
    assert nodes[0].wait() == 71
    assert "NoSuchKey" in nodes[0].err
    assert all(node.wait() != 0 for node in nodes[1:])


def test_a_stranger_without_the_token_is_turned_away(job: Any) -> None:
    ask(job)
    main = job.start_node(0, COUNT, "true")
    context = json.loads(
        eventually(lambda: job.keys("rendezvous/") and job.read(job.paths.rendezvous(0, 1)), "announced")
    )
    for answer in (
        b'{"node": 2, "address": "127.0.0.9", "proof": "guess", "challenge": ""}\n',
        b"[]\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"x" * 300_000,
    ):
        with (
            socket.create_connection((context["address"], context["port"]), timeout=10) as stranger,
            stranger.makefile("rb") as lines,
        ):
            assert "challenge" in json.loads(lines.readline())
            stranger.sendall(answer)
            with contextlib.suppress(ConnectionResetError):
                assert lines.readline() == b""
    others = [job.start_node(number, COUNT, "true") for number in (1, 2, 3)]
    assert [node.wait() for node in (main, *others)] == [0, 0, 0, 0], main.err
    assert main.err.count("turned away") == 4
    assert context["token"] not in main.err
    assert os.environ.get("AWS_SECRET_ACCESS_KEY", "test-secret") not in main.err


def test_the_nodes_of_another_job_with_the_same_run_do_not_join(job: Any) -> None:
    ask(job, environment={"HPC_RENDEZVOUS_TIMEOUT_S": "4"})
    main = job.start_node(0, COUNT, "true")
    stranger = job.start_node(1, COUNT, "true", AWS_BATCH_JOB_ID="job-2#1")
    assert main.wait() == 73
    assert "node(s) 1, 2, 3" in main.err
    assert stranger.wait() == 73
    assert "it belongs to another job, job-1" in stranger.err
