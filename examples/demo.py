"""`make demo`: deploy the app to a local cloud, run the three examples, check their results, destroy everything.

Every step is a command that a person could type; `.local/demo/commands.log` has their output.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import click

from examples.deployment import ROOT, CommandFailed, Deployment
from localcloud.session import LocalCloud

FOLDER = ROOT / ".local" / "demo"
NODES = 4
SWEEP = 'python "$PROGRAM" run --damping {damping} --frequency {frequency} --output "$RESULT"'
MPIRUN = f"mpirun -np {NODES} --map-by ppr:1:node"
SHARED = " --bind-to none --mca mpi_yield_when_idle 1"
"""Containers on one machine share its cores unknowingly."""
HEAT = 'python "$PROGRAM" --output "$RESULT"'
SUMMARY = 'python "$PROGRAM" --sweep "$SWEEP" --heat "$HEAT" --output "$SUMMARY"'


@dataclass
class Report:
    """Durations of the steps, and results of the checks."""

    steps: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    checks: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])

    @contextmanager
    def step(self, name: str) -> Generator[None]:
        """Show the name of a step and time it."""
        click.secho(f"\n== {name}", bold=True, err=True)
        started = time.monotonic()
        yield
        self.steps.append((name, time.monotonic() - started))

    def check(self, figure: str, right: bool) -> None:
        self.checks.append((figure, right))

    @property
    def all_right(self) -> bool:
        return bool(self.checks) and all(right for _, right in self.checks)

    def show(self) -> None:
        click.echo("\nseconds  step")
        for name, seconds in self.steps:
            click.echo(f"{seconds:7.1f}  {name}")
        click.echo(f"{sum(seconds for _, seconds in self.steps):7.1f}  in all\n")
        for figure, right in self.checks:
            click.echo(f"{'right' if right else 'WRONG'}  {figure}")


@dataclass(frozen=True)
class Runs:
    """The run ids of the examples."""

    sweep: str
    heat: str
    summary: str


def deploy(deployment: Deployment, report: Report) -> None:
    """Follow the README's first deployment."""
    with report.step("cdk bootstrap"):
        deployment.bootstrap()
    with report.step(f"cdk deploy {deployment.foundation_stack}"):
        deployment.deploy_foundation()
    with report.step("push the image"):
        digest = deployment.push_image()
    with report.step("cdk deploy --all"):
        deployment.deploy_all(digest)


def submit(deployment: Deployment) -> Runs:
    """Submit the sweep, the MPI solver, and the job that depends on both."""
    click.echo(deployment.hpc("queues"), err=True)
    mpirun = MPIRUN + (SHARED if deployment.cloud.runs_containers else "")
    sweep = _submit(
        deployment, "--queue", "loosely-coupled", "--name", "sweep", "--tasks", "examples/sweep/tasks.csv",
        "--input", "PROGRAM=examples/sweep/sweep.py", "--output", "RESULT", "--", "bash", "-c", SWEEP,
    )  # fmt: skip
    heat = _submit(
        deployment, "--queue", "tightly-coupled", "--name", "heat", "--nodes", str(NODES),
        "--input", "PROGRAM=examples/heat/heat.py", "--output", "RESULT", "--", "bash", "-c", f"{mpirun} {HEAT}",
    )  # fmt: skip
    outputs = {run: json.loads(deployment.hpc("status", run, "--json"))["outputs"] for run in (sweep, heat)}
    summary = _submit(
        deployment, "--queue", "on-demand", "--name", "summary", "--after", sweep, "--after", heat,
        "--input", "PROGRAM=examples/summary/summary.py", "--input", f"SWEEP={outputs[sweep]}",
        "--input", f"HEAT={outputs[heat]}0/RESULT", "--output", "SUMMARY", "--", "bash", "-c", SUMMARY,
    )  # fmt: skip
    return Runs(sweep, heat, summary)


def _submit(deployment: Deployment, *arguments: str) -> str:
    return deployment.show("hpc", "submit", *arguments)


def collect(deployment: Deployment, runs: Runs, report: Report) -> None:
    """Fetch the outputs of the runs, print them, and compare them with results computed locally."""
    results = {name: FOLDER / "results" / name for name in ("sweep", "heat", "summary")}
    for name, folder in results.items():
        deployment.hpc("fetch", getattr(runs, name), "--to", str(folder))
    merged = _python(deployment, "examples/sweep/sweep.py", "merge", str(results["sweep"]))
    serial = FOLDER / "results" / "serial.npz"
    _python(deployment, "examples/heat/heat.py", "--serial", "--output", str(serial))
    parallel = results["heat"] / "0" / "RESULT"
    difference = _python(deployment, "examples/heat/heat.py", "--compare", str(serial), str(parallel))
    summary = json.loads((results["summary"] / "0" / "SUMMARY").read_text())
    logs = deployment.hpc("logs", runs.heat).splitlines()
    click.echo(f"sweep    {json.dumps(merged)}\nheat     {json.dumps(difference)}\nsummary  {json.dumps(summary)}")
    ranks = {node: [line for line in logs if line.startswith(f"node {node} | rank ")] for node in range(NODES)}
    click.echo("\n".join(line for lines in ranks.values() for line in lines))

    report.check(f"sweep: {merged['distinct_rows']} of 100 rows", merged["rows"] == merged["distinct_rows"] == 100)
    error = merged["largest_error"]
    report.check(f"sweep: at most {error:.1e} from the closed form (1e-9 allowed)", error <= 1e-9)
    gap = difference["largest_difference"]
    report.check(f"heat: {NODES} nodes and one process differ by {gap:.1e} (1e-12 allowed)", gap <= 1e-12)
    addresses = {line.rsplit(" on ", 1)[1] for lines in ranks.values() for line in lines}
    own = all(len(lines) == 1 for lines in ranks.values()) and len(addresses) == NODES
    report.check(f"heat: one rank in each node's own log, at {len(addresses)} addresses", own)
    same = summary["sweep"]["sum_of_displacements"] == merged["sum_of_displacements"]
    report.check("summary: the job in the cloud found the same sum of displacements", same)


def _python(deployment: Deployment, *arguments: str) -> dict[str, float]:
    return json.loads(deployment.run(sys.executable, *arguments))


def keep(deployment: Deployment) -> None:
    """Print how to go on by hand."""
    click.echo("\nThe local cloud stays up. In another shell, in this folder:\n")
    for name, value in deployment.variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    click.echo('export PATH="$PWD/.venv/bin:$PWD/node_modules/.bin:$PATH"\n')
    for line in (
        "hpc queues",
        "hpc status",
        "hpc submit --wait -- echo hello",
        f"kill {deployment.cloud.pid}  # ends it",
    ):
        click.echo(line)


@click.command()
@click.option("--keep", "keep_up", is_flag=True, help="Keep the local cloud running, with the app deployed.")
@click.option("--executor", type=click.Choice(["process", "container"]), default="process", show_default=True,
              help="Run jobs as processes of this machine, or as podman containers (needs root).")  # fmt: skip
def main(keep_up: bool, executor: str) -> None:
    """Deploy, run, fetch, check, destroy; exit with 1 if a result is wrong."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    report = Report()
    cloud = LocalCloud(FOLDER / "cloud", "--executor", executor)
    try:
        with report.step("start the local cloud"):
            try:
                cloud.start()
            except RuntimeError as error:
                raise click.ClickException(str(error)) from None
        deployment = Deployment(cloud, "dev", FOLDER)
        if cloud.runs_containers:
            deployment = Deployment(cloud, "laptop", FOLDER, environments=ROOT / "examples")
        deploy(deployment, report)
        with report.step("hpc submit, three times"):
            runs = submit(deployment)
        with report.step("hpc wait"):
            for run in (runs.sweep, runs.heat, runs.summary):
                deployment.show("hpc", "wait", run)
        with report.step("hpc fetch and check"):
            collect(deployment, runs, report)
        if keep_up:
            keep(deployment)
        else:
            with report.step("cdk destroy --all"):
                deployment.destroy_all()
    except CommandFailed as error:
        raise click.ClickException(f"{error}\n\nThe complete output is in {FOLDER / 'commands.log'}") from None
    finally:
        if not keep_up:
            cloud.stop()
    report.show()
    sys.exit(0 if report.all_right else 1)


if __name__ == "__main__":
    main()
