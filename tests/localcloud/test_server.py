"""The command line, the null executor, the list lag, and that nothing is left when it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from localcloud.process_group import marked_processes
from localcloud.session import LocalCloud

pytestmark = pytest.mark.slow


def localcloud(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "localcloud", *arguments], capture_output=True, text=True, env=os.environ | env,
        cwd=Path(__file__).parents[2], timeout=60, check=False,
    )  # fmt: skip


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("command", [[], ["serve"], ["push-image"]])
def test_help_explains(command: list[str]) -> None:
    answer = localcloud(*command, "--help")
    assert answer.returncode == 0
    assert "Usage: python -m localcloud" in answer.stdout


def test_a_pushed_image_has_the_same_digest_each_time(world: Any) -> None:
    repository = world.client("ecr").create_repository(repositoryName="same", imageTagMutability="IMMUTABLE")[
        "repository"
    ]["repositoryUri"]
    pushes = [
        localcloud("push-image", "--repository", repository, "--tag", "v1", "--entrypoint", "sh -c",
                   AWS_ENDPOINT_URL=world.cloud.url)
        for _ in range(2)
    ]  # fmt: skip
    assert [push.returncode for push in pushes] == [0, 0]
    assert pushes[0].stdout == pushes[1].stdout
    digest = pushes[0].stdout.strip()
    assert digest.startswith("sha256:")
    definition = world.define("", "echo entry", container={"image": f"{repository}@{digest}"})
    assert world.lines(world.run(definition=definition)) == ["entry"]
    other = localcloud("push-image", "--repository", repository, "--tag", "v1", "--endpoint-url", world.cloud.url)
    assert (other.returncode, "immutable" in other.stderr) == (1, True)


def test_pushing_to_nowhere_says_what_to_start() -> None:
    answer = localcloud("push-image", "--repository", "x/y", "--tag", "v", "--endpoint-url", "http://127.0.0.1:1")
    assert answer.returncode == 1
    assert "python -m localcloud serve" in answer.stderr


def test_a_taken_port_is_one_line(world: Any) -> None:
    answer = localcloud("serve", "--port", world.cloud.url.rpartition(":")[2])
    assert answer.returncode == 1
    assert "Choose another --port" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_end_of_the_server_ends_all_its_jobs(tmp_path: Path, world: Any) -> None:
    with LocalCloud(tmp_path) as cloud:
        own = type(world)(cloud)
        own.set_up()
        job_id = own.submit("sh", "-c", "setsid sleep 600 & sleep 600")
        own.submit_nodes(3, "trap '' TERM; sleep 600")
        own.wait_for_status(job_id, "RUNNING")
        pids = [task["pid"] for job in cloud.jobs() for task in job["tasks"]]
        url, server = cloud.url, cloud.pid
        assert len(list(marked_processes(f"{url}/v4/"))) > len(pids) > 1
    assert list(marked_processes(f"{url}/v4/")) == []
    assert not any(alive(pid) for pid in (*pids, server))
    assert list((tmp_path / "jobs").iterdir()) == []


def test_a_server_that_was_killed_leaves_no_jobs_after_stop(tmp_path: Path, world: Any) -> None:
    with LocalCloud(tmp_path) as cloud:
        own = type(world)(cloud)
        own.set_up()
        own.wait_for_status(own.submit("sleep", "600"), "RUNNING")
        os.kill(cloud.pid, 9)
        url = cloud.url
    assert list(marked_processes(f"{url}/v4/")) == []


def test_the_null_executor_executes_nothing_and_the_list_lags(tmp_path: Path, world: Any, wait: Any) -> None:
    with LocalCloud(tmp_path, "--executor", "null", "--list-lag-s", "1") as cloud:
        own = type(world)(cloud)
        own.set_up()
        witness = tmp_path / "witness"
        job_id = own.submit("touch", str(witness))
        assert own.result(job_id)["status"] == "SUCCEEDED"
        nodes = own.result(own.submit_nodes(4, f"touch {witness}"))
        assert nodes["status"] == "SUCCEEDED"
        assert not witness.exists()

        def listed() -> list[str]:
            page = own.batch.list_jobs(jobQueue="wide", jobStatus="SUCCEEDED")
            return [item["jobId"] for item in page["jobSummaryList"]]

        assert listed() == []
        wait(lambda: job_id in listed(), 5)

        begin = time.monotonic()
        array = own.submit("true", arrayProperties={"size": 10000}, dependsOn=[{"type": "SEQUENTIAL"}])
        assert own.result(array)["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 10000
        assert time.monotonic() - begin < 15
