"""`hpc-mpi`: multi-node MPI in jobs that `hpc` did not submit."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.hpc.node.conftest import BIN

JOB_ID = "5e40da45-8fda-4763-8668-7fc86df50938"
RANKS = "from mpi4py import MPI; w = MPI.COMM_WORLD; t = w.allreduce(w.rank + 1); print('rank', w.rank, 'total', t)"
NODES = 3
MPIRUN = ("mpirun", "-np", str(NODES), "--map-by", "ppr:1:node", "python", "-c", RANKS)


def start(job: Any, number: int, *command: str) -> Any:
    """Start a node as AWS Batch does for a job of another client: without a run."""
    return job.start_node(number, NODES, *command, AWS_BATCH_JOB_ID=f"{JOB_ID}#{number}", HPC_RUN_ID="")


@pytest.mark.slow
def test_mpirun_spans_the_nodes_of_any_job(job: Any) -> None:
    nodes = [start(job, number, "hpc-mpi", *MPIRUN) for number in range(NODES)]
    assert [node.wait() for node in nodes] == [0, 0, 0], [node.err for node in nodes]
    assert sorted(nodes[0].out.splitlines()) == [f"rank {rank} total 6" for rank in range(NODES)]


@pytest.mark.slow
def test_the_job_ends_with_the_exit_code_of_the_command(job: Any) -> None:
    nodes = [start(job, number, "hpc-mpi", "sh", "-c", "exit 3") for number in range(NODES)]
    assert [node.wait() for node in nodes] == [3, 0, 0], [node.err for node in nodes]


@pytest.mark.slow
def test_without_hpc_mpi_every_node_runs_the_command_by_itself(job: Any) -> None:
    nodes = [start(job, number, "sh", "-c", "echo node $AWS_BATCH_JOB_NODE_INDEX") for number in range(NODES)]
    assert [node.wait() for node in nodes] == [0, 0, 0]
    assert [node.out for node in nodes] == ["node 0\n", "node 1\n", "node 2\n"]


def test_hpc_mpi_without_a_command_or_outside_a_job_is_a_usage_error() -> None:
    for command, env in (((), {"AWS_BATCH_JOB_ID": JOB_ID}), (("true",), {})):
        ended = subprocess.run([BIN / "hpc-mpi", *command], env=env, capture_output=True, text=True, check=False)
        assert ended.returncode == 64
        assert "give the command of the main node" in ended.stderr
