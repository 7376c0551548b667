"""How long the commands that people type most take to answer, beside Python that imports boto3 and nothing else.

python -m benchmarks.startup [--rounds 15]

Every round runs each command once, one after the other. stdout: JSON; stderr: medians and their ratios to the floor.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time

import click

from benchmarks.platform import deployed
from examples.deployment import TOOLS

FLOOR = "python -c 'import boto3'"


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=15, show_default=True)
def main(rounds: int) -> None:
    """Time the start of the commands."""
    with deployed() as deployment:
        run_id = deployment.hpc("submit", "--", "true")
        deployment.hpc("wait", run_id)
        commands = {
            FLOOR: [sys.executable, "-c", "import boto3"],
            "hpc --help": ["hpc", "--help"],
            "hpc submit --dry-run": ["hpc", "submit", "--dry-run", "--", "true"],
            "hpc status": ["hpc", "status", run_id],
        }
        environment = os.environ | deployment.variables | {"PATH": f"{TOOLS}:{os.environ['PATH']}"}
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                started = time.perf_counter()
                subprocess.run(command, env=environment, check=True, capture_output=True)
                times[name].append(time.perf_counter() - started)
    floor = statistics.median(times[FLOOR])
    for name, values in times.items():
        median = statistics.median(values)
        click.echo(f"{name:26} {median:6.3f} s  {median / floor:5.2f} of the floor", err=True)
    click.echo(json.dumps({"rounds": rounds, "seconds": times}))


if __name__ == "__main__":
    main()
