"""The heat equation on a square, by finite differences: serially, or over the ranks of an MPI job.

    heat.py --serial --output FILE          one process, no MPI
    mpirun heat.py --output FILE            each rank has a block of rows and exchanges edge rows with its neighbours
    heat.py --compare FILE FILE             the largest difference between two results

The result is a NumPy archive with the field and its parameters.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np

Field = np.ndarray[Any, np.dtype[np.float64]]
MODES = ((1.0, 1, 1), (0.5, 3, 2), (0.25, 8, 5))
"""Amplitude and half-waves in each direction; the decay per step of each mode is known exactly."""
NUMBER = 0.2
"""Time step over the square of the spacing; below 0.25 the scheme is stable."""


def initial(points: int) -> Field:
    """Return the initial field on `points` x `points` inner points; the border is zero."""
    x = np.arange(1, points + 1) / (points + 1)
    modes = (a * np.outer(np.sin(k * np.pi * x), np.sin(m * np.pi * x)) for a, k, m in MODES)
    return sum(modes, np.zeros((points, points)))


def exact(points: int, steps: int) -> Field:
    """Return the result of the scheme in exact arithmetic: every mode decays by a constant factor."""
    x = np.arange(1, points + 1) / (points + 1)
    half = np.pi / (2 * (points + 1))

    def decay(k: int, m: int) -> float:
        return (1 - 4 * NUMBER * (np.sin(k * half) ** 2 + np.sin(m * half) ** 2)) ** steps

    modes = (a * decay(k, m) * np.outer(np.sin(k * np.pi * x), np.sin(m * np.pi * x)) for a, k, m in MODES)
    return sum(modes, np.zeros((points, points)))


def rows_of(rank: int, ranks: int, points: int) -> slice:
    """Return the rows of a rank: blocks whose sizes differ by at most one."""
    return slice(rank * points // ranks, (rank + 1) * points // ranks)


def solve(block: Field, steps: int, world: Any) -> Field:
    """Advance a block of rows; `world` is the MPI communicator, None for a serial run."""
    rows, points = block.shape
    now = np.zeros((rows + 2, points + 2))
    now[1:-1, 1:-1] = block
    for _ in range(steps):
        if world is not None:
            exchange_edges(now, world)
        inner = now[1:-1, 1:-1]
        around = now[:-2, 1:-1] + now[2:, 1:-1] + now[1:-1, :-2] + now[1:-1, 2:]
        now[1:-1, 1:-1] = inner + NUMBER * (around - 4 * inner)
    return now[1:-1, 1:-1].copy()


def exchange_edges(now: Field, world: Any) -> None:
    """Exchange edge rows with the neighbours; beyond the first and the last rank they are zero."""
    from mpi4py import MPI

    above = world.rank - 1 if world.rank > 0 else MPI.PROC_NULL
    below = world.rank + 1 if world.rank < world.size - 1 else MPI.PROC_NULL
    world.Sendrecv(now[1], dest=above, recvbuf=now[-1], source=below)
    world.Sendrecv(now[-2], dest=below, recvbuf=now[0], source=above)


def run(points: int, steps: int, *, serial: bool) -> tuple[Field | None, int]:
    """Return the whole field, on the first rank only, and the number of ranks."""
    if serial:
        return solve(initial(points), steps, None), 1
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    if points < world.size:
        raise SystemExit(f"{points} rows cannot be shared among {world.size} ranks: give --points {world.size} or more")
    log_to_node(f"rank {world.rank} of {world.size} on {os.environ.get('HPC_NODE_ADDRESS') or socket.gethostname()}")
    blocks = world.gather(solve(initial(points)[rows_of(world.rank, world.size, points)], steps, world))
    return (np.vstack(blocks) if blocks else None), world.size


def log_to_node(line: str) -> None:
    """Write a line to the log of this rank's node."""
    path = os.environ.get("HPC_NODE_LOG")
    if path:
        with open(path, "a") as log:  # noqa: PTH123
            log.write(line + "\n")


def compare(one: Path, other: Path) -> float:
    """Return the largest difference between the fields of two results."""
    with np.load(one) as a, np.load(other) as b:
        return float(np.abs(a["field"] - b["field"]).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=256, help="inner points in each direction (default %(default)s)")
    parser.add_argument("--steps", type=int, default=2000, help="time steps (default %(default)s)")
    parser.add_argument("--serial", action="store_true", help="compute without MPI")
    parser.add_argument("--output", type=Path, help="file to write")
    parser.add_argument(
        "--compare", type=Path, nargs=2, metavar="FILE", help="compare two results instead of computing one"
    )
    options = parser.parse_args()
    if options.compare:
        print(json.dumps({"largest_difference": compare(*options.compare)}))
        return
    field, ranks = run(options.points, options.steps, serial=options.serial)
    if field is None:
        return
    error = float(np.abs(field - exact(options.points, options.steps)).max())
    facts = {"points": options.points, "steps": options.steps, "ranks": ranks, "largest_error": error}
    if options.output:
        with options.output.open("wb") as file:
            np.savez(file, field=field, facts=json.dumps(facts))
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
