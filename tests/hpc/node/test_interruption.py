"""Interruptions of an attempt and the files stored then: signals, Spot notices, checkpoints, outputs."""

from __future__ import annotations

import json
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hpc.contract.host_files import HOST_SPOT_NOTICE
from hpc.node.interruption import KEEP_S, STOP_GRACE_S
from tests.hpc.node.conftest import Node, eventually

pytestmark = pytest.mark.slow

IN_TIME_S = STOP_GRACE_S + 10
"""Seconds; ECS kills the container 30 s after SIGTERM."""


def notice(folder: Path, left_s: float) -> None:
    """Write the Spot interruption notice as the instance's service does."""
    at = datetime.now(UTC) + timedelta(seconds=left_s)
    path = folder / HOST_SPOT_NOTICE
    path.with_suffix(".new").write_text(json.dumps({"action": "terminate", "time": f"{at:%Y-%m-%dT%H:%M:%SZ}"}))
    path.with_suffix(".new").replace(path)


def started(job: Any, script: str, **more: str) -> Node:
    """Start a script that prints `up`, and wait until it has."""
    node = job.start("bash", "-c", script, **more)
    assert node.process.stdout.readline() == "up\n"
    return node


@pytest.fixture
def host(tmp_path: Path) -> Path:
    folder = tmp_path / "run-hpc"
    folder.mkdir()
    return folder


def test_a_command_that_ignores_sigterm_is_killed_in_time_and_its_outputs_are_kept(job: Any) -> None:
    job.ask()
    node = started(job, "trap '' TERM; echo partial > $HPC_OUTPUT_DIR/partial; echo up; while :; do sleep 1; done")
    began = time.monotonic()
    node.process.send_signal(signal.SIGTERM)
    assert node.wait(IN_TIME_S) == 137
    assert time.monotonic() - began >= STOP_GRACE_S - 1
    assert job.keys("outputs/") == ["outputs/0/partial"]
    assert job.status()["exit_code"] == 137
    assert job.status()["reason"] == "the command did not end in time and was killed"


def test_a_spot_notice_ends_the_command_and_its_checkpoint_is_restored_by_the_next_attempt(
    job: Any, host: Path
) -> None:
    job.ask(checkpoint_minutes=60)
    script = """
    cat $HPC_CHECKPOINT_DIR/deep/step 2>/dev/null && exit 0
    mkdir $HPC_CHECKPOINT_DIR/deep; echo up
    trap 'echo 41 > $HPC_CHECKPOINT_DIR/deep/step; echo o > $HPC_OUTPUT_DIR/o; exit 9' TERM; sleep 60 & wait"""
    node = started(job, script, HPC_HOST=str(host))
    notice(host, 100)
    eventually(lambda: job.keys("status/"), "the status is written while the instance is still there")
    assert job.status()["exit_code"] == 9
    assert job.keys("outputs/") == ["outputs/0/o"]
    assert node.process.poll() is None  # else AWS Batch would take the command's end for the job's
    node.process.send_signal(signal.SIGKILL)  # the instance goes
    node.wait()
    assert "Spot: EC2 reclaims this instance in" in node.err
    assert "SIGTERM to the command" in node.err
    again = job.start("bash", "-c", script, AWS_BATCH_JOB_ATTEMPT="2")
    assert again.wait() == 0, again.err
    assert again.out == "41\n"
    listing = job.s3.list_objects_v2(Bucket=job.bucket, Prefix=job.paths.checkpoint(0, None))["Contents"]
    assert {item["Size"] for item in listing} == {0}  # the task has succeeded


def test_a_command_that_stays_is_killed_before_the_instance_goes(job: Any, host: Path) -> None:
    job.ask()
    node = started(
        job, "trap '' TERM; echo x > $HPC_OUTPUT_DIR/x; echo up; while :; do sleep 1; done", HPC_HOST=str(host)
    )
    notice(host, KEEP_S + 3)
    eventually(lambda: job.keys("status/"), "the status", 20)
    assert job.keys("outputs/") == ["outputs/0/x"]
    node.process.send_signal(signal.SIGTERM)  # it waits for nothing else
    assert node.wait(10) == 137


def test_the_signal_that_was_asked_for_comes_before_the_time_out(job: Any) -> None:
    job.ask(signal={"name": "SIGUSR1", "before_s": 118}, timeout_s=120)
    node = started(job, "trap 'echo saved; exit 0' USR1; echo up; sleep 60 & wait")
    assert node.wait(20) == 0
    assert node.out == "saved\n"


def test_no_task_of_a_child_starts_after_the_notice(job: Any, host: Path) -> None:
    job.ask(pack=3, parts=[{"offset": 0, "size": 3}])
    node = started(job, "trap 'exit 3' TERM; echo up; sleep 60 & wait", HPC_HOST=str(host))
    notice(host, 100)
    eventually(lambda: job.keys("status/"), "the status of the first task")
    node.process.send_signal(signal.SIGTERM)
    assert node.wait(10) == 3
    assert node.out == ""


def test_a_checkpoint_is_saved_again_where_it_has_changed(job: Any, tmp_path: Path) -> None:
    job.ask(checkpoint_minutes=60)
    script = "ls $HPC_CHECKPOINT_DIR; cd $HPC_CHECKPOINT_DIR; {}; exit 7"
    first = job.start(
        "bash", "-c", script.format("echo same > same; echo old > other; echo half > .new; chmod +x same")
    )
    assert first.wait() == 7
    keys = {key.rpartition("/")[2]: key for key in job.keys("checkpoints/")}
    assert set(keys) == {"same", "other", "manifest.json"}
    second = job.start("bash", "-c", script.format("echo newer > other; test -x same"), AWS_BATCH_JOB_ATTEMPT="2")
    assert second.wait() == 7
    assert second.out == "other\nsame\n"
    manifest = json.loads(job.read(job.paths.checkpoint(0, None) + "manifest.json"))
    after = {file["path"]: file["key"].removeprefix(job.paths.prefix) for file in manifest["files"]}
    assert after["same"] == keys["same"]
    assert after["other"] != keys["other"]
    assert job.read(job.paths.prefix + after["other"]) == "newer\n"
    assert job.read(job.paths.prefix + keys["other"]) == ""


def test_a_checkpoint_that_was_sent_by_half_is_not_restored(job: Any) -> None:
    job.ask(checkpoint_minutes=60)
    job.write(job.paths.checkpoint(0, None) + "a/half", "half")
    node = job.start("bash", "-c", "ls $HPC_CHECKPOINT_DIR")
    assert node.wait() == 0
    assert node.out == ""


def test_each_task_of_a_child_has_its_own_checkpoint(job: Any) -> None:
    job.ask(pack=2, parts=[{"offset": 0, "size": 2}], checkpoint_minutes=60)
    script = "cat $HPC_CHECKPOINT_DIR/n 2>/dev/null && exit 0; echo $HPC_INDEX > $HPC_CHECKPOINT_DIR/n; exit 5"
    assert job.start("bash", "-c", script).wait() == 5
    again = job.start("bash", "-c", script, AWS_BATCH_JOB_ATTEMPT="2")
    assert again.wait() == 0
    assert again.out == "0\n1\n"


@pytest.mark.parametrize(
    ("choice", "kept"),
    [("all", ["outputs/0/data", "outputs/0/run.log"]), ("logs", ["outputs/0/run.log"]), ("none", [])],
)
def test_of_a_failed_command_is_kept_what_was_asked_for(job: Any, choice: str, kept: list[str]) -> None:
    job.ask(on_failure=choice)
    assert job.start("bash", "-c", "cd $HPC_OUTPUT_DIR; echo 1 > data; echo 2 > run.log; exit 3").wait() == 3
    assert job.keys("outputs/") == kept
    assert job.status()["exit_code"] == 3
    assert [item["key"].removeprefix(job.paths.prefix) for item in job.status()["outputs"]] == kept


def test_of_a_command_that_succeeds_everything_is_kept(job: Any) -> None:
    job.ask(on_failure="none")
    assert job.start("bash", "-c", "echo 1 > $HPC_OUTPUT_DIR/data").wait() == 0
    assert job.keys("outputs/") == ["outputs/0/data"]


def test_each_node_has_a_checkpoint_of_its_own_and_all_are_emptied_in_the_end(job: Any, host: Path) -> None:
    job.ask(kind="multi-node", nodes=2, vcpus=1, checkpoint_minutes=60)
    script = """
    test -e $HPC_CHECKPOINT_DIR/step && exit 0
    mpirun --map-by ppr:1:node bash -c 'echo $OMPI_COMM_WORLD_RANK > $HPC_CHECKPOINT_DIR/step'; echo up; read"""
    nodes = [job.start_node(number, 2, "bash", "-c", script, HPC_HOST=str(host)) for number in range(2)]
    assert nodes[0].first_line() == "up\n"
    assert nodes[0].wait() == 1  # there is nothing to read
    assert "checkpoints/0/node-0/manifest.json" in job.keys("checkpoints/")
    again = [job.start_node(n, 2, "bash", "-c", script, AWS_BATCH_JOB_ATTEMPT="2") for n in range(2)]
    assert [node.wait() for node in again] == [0, 0], again[0].err
    listing = job.s3.list_objects_v2(Bucket=job.bucket, Prefix=job.paths.checkpoint(0, None))["Contents"]
    assert {item["Size"] for item in listing} == {0}


def test_a_notice_on_another_node_saves_its_checkpoint_and_leaves_the_command_alone(job: Any, host: Path) -> None:
    job.ask(kind="multi-node", nodes=2, vcpus=1, checkpoint_minutes=60)
    script = """
    mpirun --map-by ppr:1:node bash -c 'echo $OMPI_COMM_WORLD_RANK > $HPC_CHECKPOINT_DIR/step'; echo up; sleep 8"""
    main = job.start_node(0, 2, "bash", "-c", script)
    other = job.start_node(1, 2, "bash", "-c", script, HPC_HOST=str(host))
    assert main.first_line() == "up\n"
    notice(host, 100)
    key = job.paths.checkpoint(0, 1) + "manifest.json"
    eventually(lambda: key.removeprefix(job.paths.prefix) in job.keys("checkpoints/"), "node 1 has saved", 30)
    assert main.wait() == 0, main.err
    assert other.wait() == 0, other.err
