from __future__ import annotations

import json
import os
import re
import signal
import time

import pytest

from tests.end_to_end.support import Platform

pytestmark = pytest.mark.slow

NODES = 4
WAIT_S = 60
RANK = """
import os
from mpi4py import MPI
world = MPI.COMM_WORLD
with open(os.environ["HPC_NODE_LOG"], "a") as log:
    print(f"rank {world.rank} of {world.size} sum {world.allreduce(world.rank)}", file=log)
"""
MPIRUN = f"mpirun -np {NODES} --map-by ppr:1:node python -c"


def _node_logs(platform: Platform, run: str) -> dict[int, list[str]]:
    """Return the lines of each node's own log stream."""
    found: dict[int, list[str]] = {}
    for line in platform.logs(run).splitlines():
        label, _, text = line.partition(" | ")
        found.setdefault(int(label.removeprefix("node ")), []).append(text)
    return found


def test_ranks_run_in_their_own_nodes_and_each_nodes_log_shows_its_rank_and_address(platform: Platform) -> None:
    run = platform.submit("--nodes", str(NODES), "--", *MPIRUN.split(), RANK)
    assert platform.wait(run) == 0
    logs = _node_logs(platform, run)
    assert sorted(logs) == list(range(NODES))
    assert {
        node: sum(line.startswith("rank ") and line.endswith(" of 4 sum 6") for line in lines)
        for node, lines in logs.items()
    } == dict.fromkeys(range(NODES), 1)
    addresses = {re.search(r"node \d of 4 at (127\.\d+\.\d+\.\d+)", " ".join(lines))[1] for lines in logs.values()}  # type: ignore[index]
    assert len(addresses) == NODES


def test_the_exit_code_of_a_multi_node_job_is_that_of_its_command(platform: Platform) -> None:
    answer = platform.hpc("submit", "--nodes", "2", "--wait", "--", "bash", "-c", "exit 5")
    assert answer.returncode == 5


def test_every_node_runs_the_command_where_that_was_asked_for(platform: Platform) -> None:
    run = platform.submit("--nodes", "3", "--every-node", "--", "bash", "-c", "echo rank $RANK of $WORLD_SIZE")
    assert platform.wait(run) == 0
    logs = _node_logs(platform, run)
    assert {node: [line for line in lines if line.startswith("rank")] for node, lines in logs.items()} == {
        node: [f"rank {node} of 3"] for node in range(3)
    }


def test_killing_the_process_of_node_2_fails_the_job_and_names_the_node(platform: Platform) -> None:
    command = f"{MPIRUN} 'import time; from mpi4py import MPI; time.sleep(600)'"
    run = platform.submit("--nodes", str(NODES), "--", "bash", "-c", command)
    job = json.loads(platform.hpc("status", run, "--json").stdout)["jobs"][0]["job_id"]
    os.kill(_pid_of_node(platform, job, 2), signal.SIGKILL)
    assert platform.wait(run) == 74
    assert any("node 2" in line for line in _node_logs(platform, run)[0])


def test_cancelling_a_multi_node_job_ends_all_its_nodes(platform: Platform) -> None:
    run = platform.submit("--nodes", "3", "--", "sleep", "600")
    job = json.loads(platform.hpc("status", run, "--json").stdout)["jobs"][0]["job_id"]
    _pid_of_node(platform, job, 2)
    assert platform.hpc("cancel", run).returncode == 0
    assert platform.wait(run) != 0
    deadline = time.monotonic() + WAIT_S
    while any(running["jobId"] == job for running in platform.cloud.jobs()):
        assert time.monotonic() < deadline


def _pid_of_node(platform: Platform, job: str, node: int) -> int:
    """Wait until a node runs; return its process id."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        for task in (task for running in platform.cloud.jobs() for task in running["tasks"]):
            if task["jobId"] == f"{job}#{node}":
                return int(task["pid"])
    raise AssertionError(f"node {node} of {job} does not run: {platform.cloud.jobs()}")
