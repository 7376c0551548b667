from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.end_to_end.support import Platform

pytestmark = pytest.mark.slow

WAIT_S = 60


def _status(platform: Platform, run: str) -> dict[str, object]:
    (job,) = json.loads(platform.hpc("status", run, "--json").stdout)["jobs"]
    return job


def _until(platform: Platform, run: str, *statuses: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while (found := _status(platform, run)["status"]) not in statuses:
        assert time.monotonic() < deadline, f"{run} is {found}, expected {statuses}"


def test_an_array_runs_every_index_once(platform: Platform, output: Path) -> None:
    run = platform.submit(
        "--array", "6", "--output", "N", "--", "bash", "-c", "echo $AWS_BATCH_JOB_ARRAY_INDEX $HPC_INDEX > $N"
    )
    assert platform.wait(run) == 0
    platform.hpc("fetch", run, "--to", str(output))
    assert [(output / str(n) / "N").read_text() for n in range(6)] == [f"{n} {n}\n" for n in range(6)]


def test_a_tasks_file_of_one_row_is_a_plain_job(platform: Platform, tmp_path: Path) -> None:
    tasks = tmp_path / "one.csv"
    tasks.write_text("word\nonly one\n")
    run = platform.submit("--tasks", str(tasks), "--", "echo", "<{word}>")
    assert platform.wait(run) == 0
    assert _status(platform, run)["array_size"] is None
    assert "<only one>" in platform.logs(run)


def test_failed_children_are_told_and_give_the_exit_code(platform: Platform) -> None:
    command = ["bash", "-c", "test $HPC_INDEX -ne 2 || exit 9"]
    answer = platform.hpc("submit", "--array", "4", "--wait", "--", *command)
    assert answer.returncode == 9
    run = answer.stdout.strip()
    (child,) = json.loads(platform.hpc("status", run, "--json").stdout)["failed_children"]
    assert child["job_id"].endswith(":2")
    assert child["job_id"] in answer.stderr


def test_the_logs_of_one_child_and_of_all(platform: Platform) -> None:
    run = platform.submit("--array", "3", "--", "bash", "-c", "echo I am $HPC_INDEX")
    assert platform.wait(run) == 0
    assert "I am 1" in platform.logs(f"{run}:1").splitlines()
    together = platform.logs(run).splitlines()
    assert [f"{n} | I am {n}" in together for n in range(3)] == [True] * 3


def test_retries_run_a_failed_command_again(platform: Platform) -> None:
    run = platform.submit("--retries", "2", "--", "bash", "-c", "test $AWS_BATCH_JOB_ATTEMPT -eq 3")
    assert platform.wait(run) == 0
    assert _status(platform, run)["attempts"] == 3


def test_without_retries_a_failed_command_is_not_repeated(platform: Platform) -> None:
    run = platform.submit("--", "false")
    assert platform.wait(run) == 1
    assert _status(platform, run)["attempts"] == 1


def test_a_timeout_ends_the_attempt(platform: Platform) -> None:
    run = platform.submit("--timeout", "1m", "--", "sleep", "600")
    assert platform.wait(run) != 0
    assert "timeout" in str(_status(platform, run)["status_reason"])


def test_cancel_ends_what_runs(platform: Platform) -> None:
    run = platform.submit("--", "sleep", "600")
    _until(platform, run, "RUNNING")
    answer = platform.hpc("cancel", run, "--reason", "changed my mind")
    assert answer.returncode == 0
    assert "it was RUNNING" in answer.stderr
    _until(platform, run, "FAILED")
    assert _status(platform, run)["status_reason"] == "changed my mind"
    assert platform.wait(run) != 0


def test_a_job_after_another_starts_when_it_has_succeeded(platform: Platform) -> None:
    first = platform.submit("--", "sleep", "1")
    second = platform.submit("--after", first, "--", "true")
    assert platform.wait(second) == 0
    assert platform.wait(first) == 0
    ended, started = _status(platform, first)["stopped_at_ms"], _status(platform, second)["started_at_ms"]
    assert isinstance(ended, int)
    assert isinstance(started, int)
    assert started >= ended


def test_a_job_after_a_failed_one_fails_without_running(platform: Platform) -> None:
    first = platform.submit("--", "false")
    second = platform.submit("--after", first, "--", "true")
    assert platform.wait(second) == 125
    assert "Dependent" in str(_status(platform, second)["status_reason"])


def test_cancelling_a_waiting_job_leaves_the_one_it_waits_for(platform: Platform) -> None:
    first = platform.submit("--", "sleep", "600")
    second = platform.submit("--after", first, "--", "true")
    platform.hpc("cancel", second)
    assert platform.wait(second) == 125
    assert _status(platform, first)["status"] not in ("SUCCEEDED", "FAILED")
    platform.hpc("cancel", first)
