"""Ping-pong and allreduce with mpi4py: through hpc-node, and with a plain mpirun on the same nodes.

python -m benchmarks.mpi [--rounds 5] [--on containers|namespaces]: `make bench-mpi`, as root on Debian

Nodes are containers of the job image, run as its user, or network namespaces of this machine. Every round runs both,
one after the other, and takes the fastest repetition of each step, since a rank that waits for its core is slow with
either launcher. stdout: JSON; stderr: medians and their ratio.
"""

from __future__ import annotations

import json
import statistics

import click

from benchmarks.nodes import Nodes, in_containers, in_namespaces

NODES = 2
PROGRAM = """
import json, time
import numpy
from mpi4py import MPI
world = MPI.COMM_WORLD
found = {}
for size, times in ((8, 3000), (65536, 1000), (1 << 20, 300)):
    data = numpy.zeros(size, dtype="b")
    into = numpy.zeros(size, dtype="b")
    def ping_pong():
        if world.rank == 0:
            world.Send(data, 1)
            world.Recv(into, 1)
        else:
            world.Recv(into, 0)
            world.Send(data, 0)
    def allreduce():
        world.Allreduce(data, into)
    for name, step in (("ping-pong", ping_pong), ("allreduce", allreduce)):
        taken = []
        for number in range(times):
            world.Barrier()
            started = time.perf_counter()
            step()
            taken.append(time.perf_counter() - started)
        found[f"{name} {size}"] = min(taken) * 1e6
if world.rank == 0:
    print(json.dumps(found))
"""
# Unbound: namespaces share the machine unknowingly, so each would bind to its first core.
ON = {"containers": in_containers, "namespaces": in_namespaces}
COMMAND = ("mpirun", "-np", str(NODES), "--map-by", "ppr:1:node", "--bind-to", "none", "python", "-c", PROGRAM)


def measure(nodes: Nodes, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return the microseconds of every round, by step and launcher."""
    found: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds):
        for name, run in (("hpc-node", nodes.hpc_node), ("mpirun", nodes.plain)):
            taken = json.loads(run(NODES, *COMMAND))
            click.echo(f"round {number + 1} of {rounds}, {name}: {taken}", err=True)
            for step, taken_us in taken.items():
                found.setdefault(step, {}).setdefault(name, []).append(taken_us)
    return found


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--on", type=click.Choice(list(ON)), default="containers", show_default=True)
def main(rounds: int, on: str) -> None:
    """Measure messages between two nodes."""
    with ON[on](NODES) as nodes:
        found = measure(nodes, rounds)
    for step, times in found.items():
        ours, plain = (statistics.median(times[name]) for name in ("hpc-node", "mpirun"))
        click.echo(f"{step:18} {ours:9.1f} us, plain {plain:9.1f} us: {ours / plain:5.3f}", err=True)
    click.echo(json.dumps({"rounds": rounds, "microseconds": found}))


if __name__ == "__main__":
    main()
