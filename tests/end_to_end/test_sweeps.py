"""Sweeps: rows with roles, chosen rows, packed children, several Batch jobs under one run id."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.end_to_end.support import Platform

pytestmark = pytest.mark.slow

WAIT_S = 60

THREE_A_JOB = """
import sys
import hpc.plan.run_request
from hpc.cli import main

hpc.plan.run_request.MAX_ARRAY = 3  # a part holds 10,000 children; here three, so that a few tasks make several parts
main()
"""


def submit_in_parts(platform: Platform, *arguments: str) -> str:
    """Submit with arrays of at most three children; return the run id."""
    return platform.deployment.run("python", "-c", THREE_A_JOB, "submit", *arguments)


def status(platform: Platform, run: str) -> dict[str, list[dict[str, object]]]:
    return json.loads(platform.hpc("status", run, "--json").stdout)


@pytest.fixture
def tasks(tmp_path: Path) -> str:
    path = tmp_path / "sweep.csv"
    path.write_text("alpha,--setenv SEED\n" + "".join(f"a{n},{n * 10}\n" for n in range(7)))
    return str(path)


def test_a_run_of_several_jobs_is_one_run_to_every_command(platform: Platform, tasks: str, output: Path) -> None:
    command = ["bash", "-c", "echo {alpha} $SEED $HPC_INDEX | tee $OUT; test $HPC_INDEX -ne 4 || exit 8"]
    run = submit_in_parts(platform, "--tasks", tasks, "--output", "OUT", "--", *command)
    assert platform.wait(run) == 8
    assert platform.wait(f"{run}:6") == 0
    assert platform.wait(f"{run}:4") == 8
    found = status(platform, run)
    assert [job["array_size"] for job in found["jobs"]] == [3, 3, None]
    assert [str(child["job_id"]).rpartition(":")[2] for child in found["failed_children"]] == ["1"]
    assert "FAILED 1" in platform.hpc("status", run).stdout
    assert "SUCCEEDED 6" in platform.hpc("status", run).stdout
    assert "a5 50 5" in platform.logs(f"{run}:5").splitlines()
    assert "5 | a5 50 5" in platform.logs(run).splitlines()
    platform.hpc("fetch", run, "--to", str(output))
    assert [(output / str(n) / "OUT").read_text() for n in range(7)] == [f"a{n} {n * 10} {n}\n" for n in range(7)]
    assert platform.hpc("fetch", f"{run}:6", "--to", str(output / "one")).returncode == 0
    assert (output / "one" / "OUT").read_text() == "a6 60 6\n"
    answer = platform.hpc("status", f"{run}:7")
    assert answer.returncode == 2
    assert "0-6; 7 was given" in answer.stderr


def test_a_run_of_several_jobs_is_found_again_where_nothing_is_remembered(
    platform: Platform, tasks: str, tmp_path: Path
) -> None:
    run = submit_in_parts(platform, "--tasks", tasks, "--only", "1-6", "--", "echo", "I am {alpha}")
    assert platform.wait(run) == 0
    for record in (platform.deployment.folder / "state").rglob(f"{run}.json"):
        record.unlink()
    assert len(status(platform, run)["jobs"]) == 2
    assert "I am a5" in platform.logs(f"{run}:5")
    assert platform.hpc("status", f"{run}:0").returncode == 2


def test_cancelling_a_run_ends_all_its_jobs(platform: Platform) -> None:
    first = platform.submit("--", "sleep", "600")
    run = submit_in_parts(platform, "--array", "7", "--after", first, "--", "true")
    answer = platform.hpc("cancel", run)
    assert len(answer.stdout.split()) == 3
    platform.hpc("cancel", first)
    assert platform.wait(run) == 125
    assert {job["status"] for job in status(platform, run)["jobs"]} == {"FAILED"}


def test_chosen_tasks_run_alone_and_keep_their_numbers(platform: Platform, tasks: str, output: Path) -> None:
    run = platform.submit(
        "--tasks", tasks, "--only", "5,1-2", "--output", "OUT", "--", "bash", "-c", "echo {alpha} $HPC_INDEX > $OUT"
    )
    assert platform.wait(run) == 0
    platform.hpc("fetch", run, "--to", str(output))
    assert {path.parent.name: path.read_text() for path in output.rglob("OUT")} == {
        "1": "a1 1\n",
        "2": "a2 2\n",
        "5": "a5 5\n",
    }
    assert platform.wait(f"{run}:5") == 0
    assert "1,2,5" not in platform.hpc("status", f"{run}:3").stdout
    assert "1-2,5; 3 was given" in platform.hpc("status", f"{run}:3").stderr


def test_packed_children_tell_how_each_task_ended(platform: Platform, tasks: str, output: Path) -> None:
    command = ["bash", "-c", "echo {alpha} > $OUT; echo hello {alpha}; test {alpha} != a4 || exit 6"]
    answer = platform.hpc("submit", "--tasks", tasks, "--pack", "3", "--output", "OUT", "--wait", "--", *command)
    run = answer.stdout.strip()
    assert answer.returncode == 6
    assert f"{run}:4: the command ended with exit code 6" in answer.stderr
    found = status(platform, run)
    assert [job["array_size"] for job in found["jobs"]] == [3]
    assert [(task["index"], task["exit_code"]) for task in found["failed_tasks"]] == [(4, 6)]
    assert f"{run}:4" in platform.hpc("status", run).stdout
    assert (platform.wait(f"{run}:4"), platform.wait(f"{run}:5")) == (6, 0)
    log = platform.logs(f"{run}:5")
    assert [f"hello a{n}" in log for n in (2, 3, 4, 5, 6)] == [False, True, True, True, False]
    platform.hpc("fetch", run, "--to", str(output))
    assert sorted(path.parent.name for path in output.rglob("OUT")) == [str(n) for n in range(7)]
    refused = platform.hpc("cancel", f"{run}:4")
    assert refused.returncode == 2
    assert "shares a child" in refused.stderr


def test_a_retried_packed_child_runs_only_what_has_not_succeeded(platform: Platform) -> None:
    command = "echo ran; test $HPC_INDEX -ne 2 || test $AWS_BATCH_JOB_ATTEMPT -eq 3"
    run = platform.submit("--array", "4", "--pack", "4", "--retries", "3", "--", "bash", "-c", command)
    assert platform.wait(run) == 0
    (job,) = status(platform, run)["jobs"]
    assert (job["attempts"], job["array_size"]) == (3, None)
    assert platform.logs(run).splitlines().count("ran") == 1  # the log of the last attempt


def test_a_row_names_its_own_input(platform: Platform, tmp_path: Path) -> None:
    first = platform.submit("--array", "2", "--output", "OUT", "--", "bash", "-c", "echo from $HPC_INDEX > $OUT")
    assert platform.wait(first) == 0
    outputs = status(platform, first)["outputs"]
    path = tmp_path / "sweep.jsonl"
    path.write_text("".join(json.dumps({"--input DATA": f"{outputs}{n}/OUT"}) + "\n" for n in (1, 0)))
    run = platform.submit("--tasks", str(path), "--", "bash", "-c", "cat $DATA")
    assert platform.wait(run) == 0
    assert ("from 1" in platform.logs(f"{run}:0"), "from 0" in platform.logs(f"{run}:1")) == (True, True)


def test_a_killed_packed_child_goes_on_where_it_was(platform: Platform, output: Path) -> None:
    command = (
        "echo $AWS_BATCH_JOB_ATTEMPT > $OUT;"
        " test $HPC_INDEX -ne 2 || test $AWS_BATCH_JOB_ATTEMPT -gt 1 || exec sleep 600"
    )
    run = platform.submit(
        "--array", "4", "--pack", "4", "--retries", "1", "--output", "OUT", "--", "bash", "-c", command
    )
    deadline = time.monotonic() + WAIT_S
    while sum(f"{run}/status/pack-0-0.jsonl" in call["path"] for call in platform.cloud.calls()) < 2:
        assert time.monotonic() < deadline, "the first tasks are not in S3"
        time.sleep(0.1)
    (job,) = status(platform, run)["jobs"]
    (pid,) = (task["pid"] for item in platform.cloud.jobs() if item["jobId"] == job["job_id"] for task in item["tasks"])
    os.kill(pid, signal.SIGKILL)
    assert platform.wait(run) == 0
    platform.hpc("fetch", run, "--to", str(output))
    assert [(output / str(n) / "OUT").read_text() for n in range(4)] == ["1\n", "1\n", "2\n", "2\n"]
