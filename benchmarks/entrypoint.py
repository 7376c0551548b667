"""Overhead of hpc-node: a task without files, and a packed row, compared with running the command directly.

python -m benchmarks.entrypoint [--rounds 15] [--rows 200]

S3 is that of the local cloud, on this machine. Every round runs the command directly, then through hpc-node, then
`--rows` rows in one child job and as many direct runs. stdout: JSON; stderr: medians and their bounds.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
import click

from benchmarks.staging import BUCKET, KEYS, ministack
from hpc.contract.s3_keys import RunPaths
from hpc.contract.task_layout import TASK_OFFSET

TASK_BOUND_MS, ROW_BOUND_MS = 150, 5
COMMAND = ["true"]


def ask(url: str, run_id: str, rows: int) -> None:
    """Write the objects that `hpc submit` would write."""
    paths = RunPaths(project="default", run_id=run_id)
    s3 = boto3.client(
        "s3",
        endpoint_url=url,
        region_name=KEYS["AWS_REGION"],
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    request = {"version": "1.0", "kind": "single", "vcpus": 1, "tasks": rows or None, "pack": rows or 1}
    body = json.dumps({**request, "parts": [{"offset": 0, "size": rows or 1}]})
    s3.put_object(Bucket=BUCKET, Key=paths.request, Body=body.encode())
    if rows:
        lines = [json.dumps({"alpha": str(number)}).encode() + b"\n" for number in range(rows)]
        offsets = [sum(map(len, lines[:number])) for number in range(rows + 1)]
        s3.put_object(Bucket=BUCKET, Key=paths.tasks, Body=b"".join(lines))
        s3.put_object(Bucket=BUCKET, Key=paths.tasks_index, Body=b"".join(map(TASK_OFFSET.pack, offsets)))


def cost(command: list[str], env: dict[str, str], times: int = 1) -> tuple[float, float]:
    """Return elapsed seconds and CPU seconds."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(times):
        subprocess.run(command, env=env, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu_s


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=15, show_default=True)
@click.option("--rows", type=click.IntRange(1), default=200, show_default=True)
def main(rounds: int, rows: int) -> None:
    """Measure the overhead of the entrypoint."""
    node = str(Path(sys.executable).parent / "hpc-node")
    found: dict[str, dict[str, list[float]]] = {what: {"wall": [], "cpu": []} for what in ("task", "row")}
    with tempfile.TemporaryDirectory(prefix="hpc-entrypoint-") as name, ministack(Path(name)) as url:
        env = {"PATH": os.environ["PATH"], "HOME": name, "AWS_ENDPOINT_URL": url, **KEYS,
               "HPC_BUCKET": BUCKET, "HPC_PROJECT": "default", "HPC_PART": "0"}  # fmt: skip
        for number in range(rounds + 1):  # the first round warms up bytecode and caches
            runs = {kind: {**env, "HPC_RUN_ID": f"{kind}-{number}"} for kind in found}
            ask(url, f"task-{number}", 0)
            ask(url, f"row-{number}", rows)
            alone, task = cost(COMMAND, env), cost([node, *COMMAND], runs["task"])
            alones, child = cost(COMMAND, env, rows), cost([node, *COMMAND], runs["row"])
            if number:
                for kind, clock in (("wall", 0), ("cpu", 1)):
                    one_s = task[clock] - alone[clock]
                    found["task"][kind].append(1000 * one_s)
                    found["row"][kind].append(1000 * (child[clock] - alones[clock] - one_s) / rows)
    for what, bound in (("task", TASK_BOUND_MS), ("row", ROW_BOUND_MS)):
        wall, cpu = (statistics.median(found[what][clock]) for clock in ("wall", "cpu"))
        click.echo(f"{what:5} {wall:7.1f} ms, {cpu:.1f} ms of them CPU; at most {bound} ms", err=True)
    click.echo(json.dumps({"rounds": rounds, "rows": rows, "overhead_ms": found}))


if __name__ == "__main__":
    main()
