"""Duration of a synthesis with every rule, compared with an empty app on the same engine.

python -m benchmarks.synthesis [--rounds 7] [--env dev]

Every round runs each variant once, in a separate process, one after the other, so that a slow phase of the machine
affects all of them. stdout: JSON; stderr: medians and their ratios to the empty app.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
EMPTY = """
import aws_cdk as cdk
from hpc_constructs import rules
app = cdk.App(analytics_reporting=False, post_cli_context=dict(rules.CONTEXT))
cdk.CfnWaitConditionHandle(cdk.Stack(app, "Empty"), "Nothing")  # the engine refuses a stack without a resource
app.synth()
"""
BUILD = """
import time
started = time.perf_counter()
import app as ours
from hpc_constructs.config import load
imported = time.perf_counter()
app = ours.new_app()
ours.build(app, load(ours.ENVIRONMENTS, {environment!r}))
built = time.perf_counter()
app.synth()
import json
print(json.dumps({{"imports": imported - started, "constructs": built - imported,
                   "templates": time.perf_counter() - built}}))
"""


def variants(environment: str) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Return command and variables of each variant, the baseline first."""
    context = {"CDK_CONTEXT_JSON": json.dumps({"env": environment})}
    build = BUILD.format(environment=environment)
    return {
        "empty app, engine on": (["-c", EMPTY], {}),
        "empty app, engine off": (["-c", EMPTY], {"CDK_VALIDATION": "false"}),
        f"{environment}, engine off": (["-c", build], {**context, "CDK_VALIDATION": "false"}),
        f"{environment}, engine on, none of the rules": (["-c", build], context),
        f"{environment}, every rule": (["app.py"], context),
    }


def run(command: list[str], variables: dict[str, str]) -> tuple[float, str]:
    """Return the seconds of one synthesis and its output."""
    with tempfile.TemporaryDirectory() as outdir:
        environment = os.environ | variables | {"CDK_OUTDIR": outdir, "PYTHONPATH": str(ROOT)}
        started = time.perf_counter()
        ended = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - started
    if ended.returncode:
        raise click.ClickException(f"{command[-1][:200]}\n{ended.stderr}")
    return seconds, ended.stdout


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True)
@click.option("--env", "environment", default="dev", show_default=True)
def main(rounds: int, environment: str) -> None:
    """Measure the synthesis of an environment."""
    times: dict[str, list[float]] = {}
    phases: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, (command, variables) in variants(environment).items():
            seconds, printed = run(command, variables)
            times.setdefault(name, []).append(seconds)
            if name.endswith(", engine off") and printed:
                for phase, part in json.loads(printed).items():
                    phases.setdefault(phase, []).append(part)
    medians = {name: statistics.median(values) for name, values in times.items()}
    floor = next(iter(medians.values()))
    for name, median in medians.items():
        spread = f"{min(times[name]):.2f}-{max(times[name]):.2f}"
        click.echo(f"{name:42} {median:6.2f} s ({spread})  {median / floor:5.2f} of the empty app", err=True)
    for phase, values in phases.items():
        click.echo(f"  of {environment}, engine off: {phase:12} {statistics.median(values):6.2f} s", err=True)
    click.echo(json.dumps({"rounds": rounds, "seconds": times, "ratio": medians[f"{environment}, every rule"] / floor}))


if __name__ == "__main__":
    main()
