"""The cost of submission: API calls, seconds and memory of `hpc`, awsbsub, the AWS CLI and boto3.

python -m benchmarks.submission [--latency-ms 0 --latency-ms 50] [--only hpc]

Every client sends to the same local cloud through the same proxy, which counts and delays requests. No job runs: the
compute environments are disabled, with which AWS Batch still accepts jobs. A sweep of `hpc` is a CSV file with a row
for each task; the arrays of the others carry only an index. stdout: a Markdown table.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import click

import hpc
from benchmarks import peers
from benchmarks.platform import deployed
from localcloud.faults import FaultyLine

DEFINITION, QUEUE = "hpc-dev-default-task", "loosely-coupled"
ARRAY_MAX = 10_000
"""https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html"""
POLL_S = 0.01
HEADER = (
    "tasks",
    "client",
    "how",
    "latency ms",
    "Batch calls",
    "other calls",
    "seconds",
    "processor seconds",
    "peak MiB",
)
BOTO3 = """
import sys, boto3
queue, definition, *sizes = sys.argv[1:]
batch = boto3.client("batch")
for number, size in enumerate(map(int, sizes)):
    array = {"arrayProperties": {"size": size}} if size > 1 else {}
    batch.submit_job(jobName=f"n{number}", jobQueue=queue, jobDefinition=definition,
                     containerOverrides={"command": ["true"]}, **array)
"""
LIBRARY = """
import sys, hpc
cluster = hpc.connect("dev")
for number in range(int(sys.argv[1])):
    cluster.submit(hpc.JobSpec(command=("true",), name=f"n{number}"))
"""


@dataclass(frozen=True)
class Target:
    queue_arn: str
    folder: Path


Commands = Callable[[Target, int], Iterator[list[str]]]
"""The commands that submit a number of tasks."""


def _hpc_sweep(target: Target, tasks: int) -> Iterator[list[str]]:
    path = target.folder / f"{tasks}.csv"
    path.write_text("alpha\n" + "".join(f"{number}\n" for number in range(tasks)))
    yield ["hpc", "submit", "--queue", QUEUE, "--tasks", str(path), "--", "echo", "{alpha}"]


def _hpc_jobs(_target: Target, tasks: int) -> Iterator[list[str]]:
    for _ in range(tasks):
        yield ["hpc", "submit", "--queue", QUEUE, "--", "true"]


def _library_jobs(_target: Target, tasks: int) -> Iterator[list[str]]:
    yield [sys.executable, "-c", LIBRARY, str(tasks)]


def _boto3_jobs(target: Target, tasks: int) -> Iterator[list[str]]:
    yield [sys.executable, "-c", BOTO3, target.queue_arn, DEFINITION, *["1"] * tasks]


def _boto3_arrays(target: Target, tasks: int) -> Iterator[list[str]]:
    yield [sys.executable, "-c", BOTO3, target.queue_arn, DEFINITION, *map(str, _arrays(tasks))]


def _aws_jobs(target: Target, tasks: int) -> Iterator[list[str]]:
    for _ in range(tasks):
        yield _aws(target, 1)


def _aws_arrays(target: Target, tasks: int) -> Iterator[list[str]]:
    for size in _arrays(tasks):
        yield _aws(target, size)


def _aws(target: Target, size: int) -> list[str]:
    array = ["--array-properties", f"size={size}"] if size > 1 else []
    return [
        peers.tool("aws"), "batch", "submit-job", "--job-name", "n", "--job-queue", target.queue_arn,
        "--job-definition", DEFINITION, "--container-overrides", "command=[true]", *array,
    ]  # fmt: skip


def _awsbsub_jobs(_target: Target, tasks: int) -> Iterator[list[str]]:
    for _ in range(tasks):
        yield [peers.tool("awsbsub"), "--", "true"]


def _awsbsub_arrays(_target: Target, tasks: int) -> Iterator[list[str]]:
    for size in _arrays(tasks):
        yield [peers.tool("awsbsub"), *(["--array-size", str(size)] if size > 1 else []), "--", "true"]


def _arrays(tasks: int) -> Iterator[int]:
    for first in range(0, tasks, ARRAY_MAX):
        yield min(ARRAY_MAX, tasks - first)


CASES: tuple[tuple[int, str, str, Commands], ...] = (
    (1, "hpc", "one job", _hpc_jobs),
    (1, "awsbsub", "one job", _awsbsub_jobs),
    (1, "AWS CLI", "one job", _aws_jobs),
    (1, "boto3", "one job", _boto3_jobs),
    (100, "hpc", "a sweep", _hpc_sweep),
    (100, "awsbsub", "an array", _awsbsub_arrays),
    (100, "AWS CLI", "an array", _aws_arrays),
    (100, "boto3", "an array", _boto3_arrays),
    (100, "hpc", "jobs, a command each", _hpc_jobs),
    (100, "awsbsub", "jobs, a command each", _awsbsub_jobs),
    (100, "AWS CLI", "jobs, a command each", _aws_jobs),
    (100, "hpc library", "jobs, one process", _library_jobs),
    (100, "boto3", "jobs, one process", _boto3_jobs),
    *(
        case
        for tasks in (1_000, 100_000, 300_000)
        for case in (
            (tasks, "hpc", "a sweep, one command", _hpc_sweep),
            (tasks, "awsbsub", f"arrays, {-(-tasks // ARRAY_MAX)} commands", _awsbsub_arrays),
            (tasks, "AWS CLI", f"arrays, {-(-tasks // ARRAY_MAX)} commands", _aws_arrays),
            (tasks, "boto3", "arrays, one process", _boto3_arrays),
        )
    ),
)


@dataclass
class Cost:
    seconds: float = 0.0
    cpu_s: float = 0.0
    peak_mib: float = 0.0

    def run(self, command: list[str], environment: dict[str, str]) -> None:
        """Run a command that must succeed and add its cost."""
        with peers.terminal() as stdin:
            began = time.perf_counter()
            process = subprocess.Popen(
                command, env=environment, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            while not (waited := os.wait4(process.pid, os.WNOHANG))[0]:
                self.peak_mib = max(self.peak_mib, _peak_mib(process.pid))
                time.sleep(POLL_S)
            errors = process.stderr.read() if process.stderr else b""
        _, status, usage = waited
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise click.ClickException(f"{command[:4]}: {errors.decode()[-2000:]}")
        self.seconds += time.perf_counter() - began
        self.cpu_s += usage.ru_utime + usage.ru_stime


def _peak_mib(pid: int) -> float:
    """Return the peak memory of a process since its exec; ru_maxrss would include the parent's."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


@click.command()
@click.option("--latency-ms", "latencies", multiple=True, type=float, default=(0, 50), show_default=True)
@click.option("--only", help="Prefix of the names of clients to run.", default="")
@click.option("--least", default=1, show_default=True, help="Minimum number of tasks.")
@click.option("--most", default=300_000, show_default=True, help="Maximum number of tasks.")
def main(latencies: tuple[float, ...], only: str, least: int, most: int) -> None:
    """Print the table."""
    with deployed() as deployment, FaultyLine(deployment.cloud.url, 1, deployment.folder / "line.log") as line:
        os.environ |= deployment.variables
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        batch: Any = boto3.client("batch")
        for item in batch.describe_compute_environments()["computeEnvironments"]:
            batch.update_compute_environment(computeEnvironment=item["computeEnvironmentArn"], state="DISABLED")
        published = hpc.connect("dev").environment
        target = Target(published.queues[QUEUE].arn, deployment.folder)
        peers.configure_awsbsub(deployment.folder, published.meta.bucket, target.queue_arn, DEFINITION)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | {"AWS_ENDPOINT_URL": line.url, "HOME": str(deployment.folder), "PATH": path}
        click.echo(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
        for tasks, client, how, commands in CASES:
            if not least <= tasks <= most or not client.startswith(only):
                continue
            for latency_ms in latencies:
                line.clear()
                line.rules({"latency": latency_ms})
                cost = Cost()
                for command in commands(target, tasks):
                    cost.run(command, environment)
                calls = Counter(item.get("service") == "batch" for item in line.fired())
                figures = [f"{cost.seconds:.1f}", f"{cost.cpu_s:.1f}", f"{cost.peak_mib:.0f}"]
                row = [f"{tasks:,}", client, how, f"{latency_ms:g}", calls[True], calls[False], *figures]
                click.echo(f"| {' | '.join(map(str, row))} |")
                _forget(batch, target.queue_arn)


def _forget(batch: Any, queue_arn: str) -> None:
    """Terminate the submitted jobs, so that the next client finds an empty queue."""
    pages = batch.get_paginator("list_jobs").paginate(jobQueue=queue_arn, jobStatus="RUNNABLE")
    for job in [job["jobId"] for page in pages for job in page["jobSummaryList"]]:
        batch.terminate_job(jobId=job, reason="measured")


if __name__ == "__main__":
    main()
