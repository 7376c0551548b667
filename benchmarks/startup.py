"""Response time of the most common commands, compared with a Python that only imports boto3.

python -m benchmarks.startup [--rounds 15]

Every round runs each command once, one after the other. stdout: JSON; stderr: medians of CPU time, which other work on
the machine disturbs less, and of wall time, with ratios to the boto3 import in parentheses.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import click

from benchmarks.platform import deployed
from examples.deployment import TOOLS

FLOOR = "python -c 'import boto3'"
FORGET = 'rm -r "$XDG_STATE_HOME/hpc/.published"'
"""Removes the cache of the published environment, which lasts a minute."""


@dataclass(frozen=True)
class Took:
    cpu_s: float
    wall_s: float


def measure(command: list[str], environment: Mapping[str, str]) -> Took:
    """Run a command that must succeed."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Took(cpu_s, time.perf_counter() - began)


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=15, show_default=True)
def main(rounds: int) -> None:
    """Measure the response time of the commands."""
    with deployed() as deployment:
        run_id = deployment.hpc("submit", "--", "true")
        deployment.hpc("wait", run_id)
        dry_run = ["hpc", "submit", "--dry-run", "--", "true"]
        commands = {
            FLOOR: [sys.executable, "-c", "import boto3"],
            "hpc --help": ["hpc", "--help"],
            "hpc submit --dry-run": dry_run,
            "hpc submit --dry-run, after a minute": ["sh", "-c", f"{FORGET}; exec {shlex.join(dry_run)}"],
            "hpc status": ["hpc", "status", run_id],
        }
        environment = os.environ | deployment.variables | {"PATH": f"{TOOLS}:{os.environ['PATH']}"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for command in commands.values():  # compiles missing bytecode
            measure(command, environment)
        times: dict[str, list[Took]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(measure(command, environment))
    medians = {
        name: Took(statistics.median(t.cpu_s for t in took), statistics.median(t.wall_s for t in took))
        for name, took in times.items()
    }
    floor = medians[FLOOR]
    for name, took in medians.items():
        ratios = took.cpu_s / floor.cpu_s, took.wall_s / floor.wall_s
        click.echo(
            f"{name:38} cpu {took.cpu_s:.3f} s ({ratios[0]:.2f})   wall {took.wall_s:.3f} s ({ratios[1]:.2f})", err=True
        )
    rounds_taken = {name: [asdict(t) for t in took] for name, took in times.items()}
    click.echo(json.dumps({"rounds": rounds, "took": rounds_taken}))


if __name__ == "__main__":
    main()
