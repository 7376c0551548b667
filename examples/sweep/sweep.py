"""A parameter sweep: a damped oscillator for each row of a tasks file, merged and checked against the closed form.

    sweep.py tasks                                            the tasks file: 10 dampings times 10 frequencies
    sweep.py run --damping Z --frequency W --output FILE      one row: integrate x'' + 2 Z W x' + W^2 x = 0
    sweep.py merge FOLDER                                     all rows: their results and largest error

Standard library only, so that a task starts quickly.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

DURATION_S = 10.0
STEPS = 20_000
START = (1.0, 0.0)
"""Initial displacement and velocity."""


def integrate(damping: float, frequency: float) -> tuple[float, float]:
    """Return the final displacement and velocity, by the classical Runge-Kutta method."""
    friction, stiffness = 2 * damping * frequency, frequency * frequency
    h = DURATION_S / STEPS
    x, v = START
    for _ in range(STEPS):
        a1 = -friction * v - stiffness * x
        v2, a2 = v + h / 2 * a1, -friction * (v + h / 2 * a1) - stiffness * (x + h / 2 * v)
        v3, a3 = v + h / 2 * a2, -friction * (v + h / 2 * a2) - stiffness * (x + h / 2 * v2)
        v4, a4 = v + h * a3, -friction * (v + h * a3) - stiffness * (x + h * v3)
        x += h / 6 * (v + 2 * v2 + 2 * v3 + v4)
        v += h / 6 * (a1 + 2 * a2 + 2 * a3 + a4)
    return x, v


def exact(damping: float, frequency: float) -> float:
    """Return the final displacement in closed form, valid for a damping below 1."""
    damped = frequency * math.sqrt(1 - damping * damping)
    phase = damped * DURATION_S
    decay = math.exp(-damping * frequency * DURATION_S)
    return decay * (math.cos(phase) + damping * frequency / damped * math.sin(phase))


def tasks() -> list[tuple[float, float]]:
    """Return damping and frequency (rad/s) of every row."""
    return [((i + 1) / 20, 1 + j / 4) for i in range(10) for j in range(10)]


def run(damping: float, frequency: float, output: Path) -> None:
    """Compute one row and write it as JSON."""
    displacement, velocity = integrate(damping, frequency)
    row = {"damping": damping, "frequency": frequency, "displacement": displacement, "velocity": velocity}
    output.write_text(json.dumps(row) + "\n")


def merge(folder: Path) -> dict[str, float]:
    """Return the combined results of all rows below a folder."""
    rows = [json.loads(path.read_text()) for path in sorted(folder.rglob("RESULT"))]
    errors = [abs(row["displacement"] - exact(row["damping"], row["frequency"])) for row in rows]
    return {
        "rows": len(rows),
        "distinct_rows": len({(row["damping"], row["frequency"]) for row in rows}),
        "sum_of_displacements": math.fsum(row["displacement"] for row in rows),
        "largest_error": max(errors, default=math.inf),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("tasks")
    one = actions.add_parser("run")
    one.add_argument("--damping", type=float, required=True)
    one.add_argument("--frequency", type=float, required=True)
    one.add_argument("--output", type=Path, required=True)
    actions.add_parser("merge").add_argument("folder", type=Path)
    options = parser.parse_args()
    if options.action == "tasks":
        print("damping,frequency", *(f"{damping},{frequency}" for damping, frequency in tasks()), sep="\n")
    elif options.action == "run":
        run(options.damping, options.frequency, options.output)
    else:
        print(json.dumps(merge(options.folder)))


if __name__ == "__main__":
    main()
