"""Submission under faults, by `hpc` and other clients: jobs that run once, twice or not at all.

Each job appends its name to a file, so that executions are counted. `make bench-faults` prints a Markdown table. The
AWS CLI and awsbsub are installed below .local/, each with its own dependencies.
"""

from __future__ import annotations

import itertools
import os
import secrets
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import boto3
import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

import hpc
from benchmarks import peers
from benchmarks.platform import deployed
from localcloud.faults import FaultyLine
from localcloud.session import LocalCloud

QUEUE, DEFINITION = "loosely-coupled", "hpc-dev-default-task"
AT_ONCE = 8
END_TIMEOUT_S = 900
_SUBMIT = {"service": "batch", "operation": "SubmitJob"}
FAULTS: dict[str, tuple[dict[str, Any], ...]] = {
    "throttled": (_SUBMIT | {"probability": 0.3, "error": {"code": "TooManyRequestsException", "status": 429}},),
    "server error": (_SUBMIT | {"probability": 0.3, "error": {"code": "ServerException", "status": 500}},),
    "reset before": (_SUBMIT | {"probability": 0.3, "reset": True},),
    "lost after": (_SUBMIT | {"probability": 0.3, "response": {"abort_bytes": 0}},),
    "half an answer": (_SUBMIT | {"probability": 0.3, "response": {"abort_bytes": 40}},),
    "storm": (
        _SUBMIT | {"probability": 0.10, "error": {"code": "TooManyRequestsException", "status": 429}},
        _SUBMIT | {"probability": 0.05, "error": {"code": "ServerException", "status": 500}},
        _SUBMIT | {"probability": 0.05, "reset": True},
        _SUBMIT | {"probability": 0.10, "response": {"abort_bytes": 0}},
    ),
}
"""Faults of SubmitJob calls: one kind in 30% of them, or a mixture, the storm. `lost after`: the connection ends after
the service has accepted the job and before it answers."""

HEADER = [
    *("fault", "client", "seed", "asked", "faults", "errors shown", "executed", "executed twice", "lost"),
    *("executed though an error was shown", "extra Batch jobs", "seconds"),
]


RetryMode = Literal["legacy", "standard", "adaptive"]


@dataclass(frozen=True)
class Target:
    """Where a client submits: behind the faulty line."""

    url: str
    queue_arn: str
    bucket: str
    folder: Path

    def client(self, mode: RetryMode) -> Any:
        return boto3.client("batch", endpoint_url=self.url, config=Config(retries={"mode": mode}, read_timeout=30))


Submit = Callable[[str, list[str]], bool]
"""Submit a command as a job of this name; return whether the client reported success."""


def _hpc(_target: Target) -> Submit:
    cluster = hpc.connect("dev")
    cluster.environment  # noqa: B018 - read once before the threads start

    def submit(name: str, command: list[str]) -> bool:
        try:
            cluster.submit(hpc.JobSpec(command=tuple(command), name=name))
        except hpc.HpcError:
            return False
        return True

    return submit


def _boto3(mode: RetryMode, target: Target) -> Submit:
    batch = target.client(mode)

    def submit(name: str, command: list[str]) -> bool:
        overrides: Any = {"command": command}
        try:
            answer = batch.submit_job(
                jobName=name, jobQueue=target.queue_arn, jobDefinition=DEFINITION, containerOverrides=overrides
            )
        except (ClientError, BotoCoreError):
            return False
        return "jobId" in answer

    return submit


def _aws(target: Target) -> Submit:
    def submit(name: str, command: list[str]) -> bool:
        words = ",".join(f'"{word}"' for word in command)
        ended = subprocess.run(
            [peers.tool("aws"), "batch", "submit-job", "--job-name", name, "--job-queue", target.queue_arn,
             "--job-definition", DEFINITION, "--container-overrides", f"command=[{words}]"],
            capture_output=True, check=False,
        )  # fmt: skip
        return ended.returncode == 0

    return submit


def _awsbsub(target: Target) -> Submit:
    peers.configure_awsbsub(target.folder, target.bucket, target.queue_arn, DEFINITION)

    def submit(name: str, command: list[str]) -> bool:
        with peers.terminal() as stdin:
            ended = subprocess.run(
                [peers.tool("awsbsub"), "--job-name", name, "--", *command], stdin=stdin, capture_output=True,
                env=os.environ | {"HOME": str(target.folder)}, check=False,
            )  # fmt: skip
        return ended.returncode == 0

    return submit


CLIENTS: dict[str, Callable[[Target], Submit]] = {
    "hpc": _hpc,
    "boto3 legacy": partial(_boto3, "legacy"),
    "boto3 standard": partial(_boto3, "standard"),
    "boto3 adaptive": partial(_boto3, "adaptive"),
    "aws": _aws,
    "awsbsub": _awsbsub,
}


def measure(fault: str, client: str, count: int, seed: int, cloud: LocalCloud, folder: Path) -> list[object]:
    """Submit `count` jobs under a fault; return the row of the table."""
    marks = folder / f"{client.replace(' ', '-')}-{seed}-{secrets.token_hex(3)}"  # others may use the same cloud
    marks.touch()
    names = [f"{marks.name}-{number}" for number in range(count)]
    with FaultyLine(cloud.url, seed, folder / "line.log") as line:
        os.environ |= cloud.environment() | {"AWS_ENDPOINT_URL": line.url, "XDG_STATE_HOME": str(folder / "state")}
        environment = hpc.connect("dev").environment
        queue_arn = environment.queues[QUEUE].arn
        submit = CLIENTS[client](Target(line.url, queue_arn, environment.meta.bucket, folder))
        line.rules(*FAULTS[fault])
        began, since_ms = time.monotonic(), int(time.time() * 1000)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            said = list(pool.map(lambda name: submit(name, ["bash", "-c", f"echo {name} >> {marks}"]), names))
        seconds = time.monotonic() - began
        fired = len(line.fired())
    jobs = _ended_jobs(cloud, queue_arn, since_ms, names)
    executed = Counter(marks.read_text().split())
    told_failed = [name for name, ok in zip(names, said, strict=True) if not ok]
    return [
        fault, client, seed, count, fired, len(told_failed), len(executed), sum(n > 1 for n in executed.values()),
        sum(executed[name] == 0 for name, ok in zip(names, said, strict=True) if ok),
        sum(executed[name] > 0 for name in told_failed), jobs - len(executed), f"{seconds:.1f}",
    ]  # fmt: skip


def _ended_jobs(cloud: LocalCloud, queue_arn: str, since_ms: int, names: list[str]) -> int:
    """Wait until all jobs with these names, submitted since then, have ended; return their number."""
    batch = boto3.client("batch", endpoint_url=cloud.url)
    deadline = time.monotonic() + END_TIMEOUT_S
    wanted = set(names)
    while True:
        pages = batch.get_paginator("list_jobs").paginate(
            jobQueue=queue_arn, filters=[{"name": "AFTER_CREATED_AT", "values": [str(since_ms - 1)]}]
        )
        found = [job for page in pages for job in page["jobSummaryList"]]
        own = [
            job for job in found if job["jobName"] in wanted or any(job["jobName"].endswith(f"-{n}") for n in wanted)
        ]
        if all(job.get("status") in ("SUCCEEDED", "FAILED") for job in own):
            return len(own)
        if time.monotonic() > deadline:
            raise click.ClickException(f"jobs still run after {END_TIMEOUT_S} s")
        time.sleep(1)


@contextmanager
def _deployed(url: str | None, folder: Path) -> Iterator[LocalCloud]:
    if url:
        cloud = LocalCloud(folder)
        cloud.url = url
        yield cloud
        return
    with deployed() as deployment:
        yield deployment.cloud


@click.command()
@click.option("--count", default=100, show_default=True, help="Jobs per client, fault and seed.")
@click.option("--seeds", default=3, show_default=True, help="Seeds, and so runs, per client and fault.")
@click.option("--client", "clients", multiple=True, type=click.Choice(list(CLIENTS)), help="Default: all.")
@click.option("--fault", "faults", multiple=True, type=click.Choice(list(FAULTS)), help="Default: all.")
@click.option("--url", help="URL of a local cloud with dev deployed. Default: start one.")
def main(count: int, seeds: int, clients: tuple[str, ...], faults: tuple[str, ...], url: str | None) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="hpc-bench-") as name, _deployed(url, Path(name)) as cloud:
        click.echo(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
        for fault, client in itertools.product(faults or FAULTS, clients or CLIENTS):
            for seed in range(1, seeds + 1):
                row = measure(fault, client, count, seed, cloud, Path(name))
                click.echo(f"| {' | '.join(map(str, row))} |")


if __name__ == "__main__":
    main()
