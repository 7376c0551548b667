"""The size that the product promises: 300,000 rows, one command, few calls, memory that does not grow."""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.deployment import Deployment
from localcloud.session import LocalCloud
from tests.end_to_end.support import NewDeployment

pytestmark = pytest.mark.slow

MEASURED = """
import resource, sys
from hpc.cli import run
code = run(sys.argv[1:])
print("peak KiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, new_deployment: NewDeployment) -> Iterator[Deployment]:
    """An environment without its operations, which record every child: what is looked at here is the submission."""
    folder = tmp_path_factory.mktemp("large")
    with LocalCloud(folder / "cloud") as cloud:
        deployment = new_deployment(cloud, "minimal", folder)
        deployment.bootstrap()
        deployment.deploy_foundation()
        deployment.deploy_compute(deployment.push_image())
        yield deployment


@pytest.fixture(scope="module")
def held(deployment: Deployment) -> str:
    """A job that the sweeps wait for: none of their tasks starts."""
    return deployment.hpc("submit", "--", "sleep", "3600")


def submit(deployment: Deployment, tasks: Path, rows: int, *options: str) -> tuple[str, int]:
    """Submit a sweep of so many rows; return the run id and the peak memory of the command in KiB."""
    with tasks.open("w") as file:
        file.write("alpha,beta,--setenv SEED\n")
        file.writelines(f"{number / 7},{number},seed-{number}\n" for number in range(rows))
    started = time.monotonic()
    answer = deployment.attempt(
        sys.executable, "-c", MEASURED, "submit", "--tasks", str(tasks), *options, "--", "model", "{alpha}", "{beta}"
    )
    assert answer.returncode == 0, answer.stderr
    peak = re.search(r"peak KiB (\d+)", answer.stderr)
    assert peak
    print(f"{rows:,} rows {' '.join(options)}: {time.monotonic() - started:.1f} s, {int(peak[1]) / 1024:.0f} MiB")
    return answer.stdout.strip(), int(peak[1])


def batch_calls(deployment: Deployment, before: int = 0) -> Counter[str]:
    calls: list[dict[str, Any]] = deployment.cloud.calls()[before:]
    return Counter(call["operation"] for call in calls if call["service"] == "batch")


def test_300_000_rows_are_one_command_and_few_calls(deployment: Deployment, held: str, tmp_path: Path) -> None:
    before = len(deployment.cloud.calls())
    run, _ = submit(deployment, tmp_path / "large.csv", 300_000, "--after", held)
    calls = batch_calls(deployment, before)
    print(dict(calls))
    assert calls["SubmitJob"] == 30
    assert calls.total() <= 35
    status = json.loads(deployment.hpc("status", run, "--json"))
    assert [job["array_size"] for job in status["jobs"]] == [10_000] * 30
    assert "300000" in deployment.hpc("status", run).splitlines()[-1]


def test_memory_does_not_grow_with_the_rows(deployment: Deployment, held: str, tmp_path: Path) -> None:
    """10,000 rows are sent in one piece and without a progress display; both cost some MiB, however many rows."""
    options = ("--pack", "1000", "--after", held)
    _, small_kib = submit(deployment, tmp_path / "small.csv", 10_000, *options)
    _, large_kib = submit(deployment, tmp_path / "large.csv", 300_000, *options)
    before = len(deployment.cloud.calls())
    run, huge_kib = submit(deployment, tmp_path / "huge.csv", 900_000, *options)
    print(f"peaks: {large_kib / small_kib:.2f} of that of 10,000 rows, {huge_kib / large_kib:.2f} of that of 300,000")
    assert large_kib < 1.3 * small_kib
    assert huge_kib < 1.25 * large_kib  # a list of the rows would be hundreds of MiB
    assert batch_calls(deployment, before)["SubmitJob"] == 1
    (job,) = json.loads(deployment.hpc("status", run, "--json"))["jobs"]
    assert job["array_size"] == 900
