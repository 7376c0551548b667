"""Every `mpirun` spans four hosts with separate addresses, through the launch agent and over TCP."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools.namespaces import Hosts

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[4]
MPICH = ".local/mpich/.installed"
SUM = """
import os
from mpi4py import MPI
world = MPI.COMM_WORLD
with open(os.environ["HPC_NODE_LOG"], "a") as log:
    print(f"rank {world.rank} of {world.size} sum {world.allreduce(world.rank)}", file=log)
if world.rank == 0:
    print(MPI.Get_library_version())
"""


@pytest.fixture(scope="session")
def mpich() -> Path:
    """Return the folder of MPICH's programs; they are installed if missing or old."""
    subprocess.run(["make", "--silent", MPICH], cwd=ROOT, check=True)
    return ROOT / Path(MPICH).parent / "bin"


def run(job: Any, hosts: Hosts, *command: str) -> dict[int, Any]:
    job.ask(kind="multi-node", nodes=hosts.count, vcpus=2, environment={"HPC_RENDEZVOUS_TIMEOUT_S": "30"})
    nodes = job.start_on(hosts, *command)
    assert [node.wait(40) for node in nodes.values()] == [0] * hosts.count, nodes[0].err
    return nodes


def sums(node: Any) -> list[str]:
    return sorted(line for line in node.err.splitlines() if line.startswith("rank "))


def test_open_mpi(job: Any, hosts: Hosts) -> None:
    nodes = run(job, hosts, "mpirun", "-np", "4", "--map-by", "ppr:1:node", "--bind-to", "none", "python", "-c", SUM)
    assert {number: sums(node) for number, node in nodes.items()} == {k: [f"rank {k} of 4 sum 6"] for k in range(4)}
    assert "Open MPI" in nodes[0].out


def test_mpich(job: Any, hosts: Hosts, mpich: Path) -> None:
    nodes = run(job, hosts, str(mpich / "mpiexec"), str(mpich / "python"), "-c", SUM)
    expected = {k: [f"rank {rank} of 8 sum 28" for rank in (2 * k, 2 * k + 1)] for k in range(4)}
    assert {number: sums(node) for number, node in nodes.items()} == expected
    assert "MPICH" in nodes[0].out


def test_the_exit_code_of_a_rank_is_the_jobs(job: Any, hosts: Hosts, mpich: Path) -> None:
    job.ask(kind="multi-node", nodes=hosts.count, vcpus=1, environment={"HPC_RENDEZVOUS_TIMEOUT_S": "30"})
    program = "import os, sys; sys.exit(3 if os.environ['PMI_RANK'] == '2' else 0)"
    nodes = job.start_on(hosts, str(mpich / "mpiexec"), "-n", "4", str(mpich / "python"), "-c", program)
    assert nodes[0].wait(40) == 3, nodes[0].err
