"""Jobs in real containers: the image of `make image` from the emulated ECR, a network for each node, and what breaks.

The bounds are of hpc-node and of Batch as the local cloud has it, with some seconds for a busy machine.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.deployment import ROOT
from hpc.contract import exit_codes, objects
from hpc.contract.s3_keys import RunPaths
from localcloud.runtimes import network
from localcloud.session import LocalCloud
from tests.container import support
from tests.containers import left_since, leftovers
from tests.end_to_end.support import NewDeployment, Platform, deploy

pytestmark = pytest.mark.slow

NODES = 4
TIME_SCALE = 0.05
NOTICE_S = 120 * TIME_SCALE
BOUNDED = ("--timeout", "1h")
"""Three minutes in this local cloud."""
START_S = 60
"""A container has been started, on a busy machine."""
GONE_S = 15
"""A node whose connection has ended is noticed at once; then all nodes end."""
SILENT_S = 60
"""A node that is cut off ends no connection: it is lost once it has been silent for 30 to 45 s."""
HEAT = ROOT / "examples" / "heat" / "heat.py"
SHARED = "--bind-to none --mca mpi_yield_when_idle 1"
"""Nodes that are containers of one machine share its cores without knowing it."""
SOLVE = f'id -u; mpirun -np {NODES} --map-by ppr:1:node {SHARED} python "$PROGRAM" --output "$RESULT"; echo solved'


@pytest.fixture(scope="module")
def contained(tmp_path_factory: pytest.TempPathFactory, new_deployment: NewDeployment) -> Iterator[Platform]:
    support.environment()
    before = leftovers()
    folder = tmp_path_factory.mktemp("contained")
    with LocalCloud(folder / "cloud", "--executor", "container", "--time-scale", str(TIME_SCALE)) as cloud:
        deployment = new_deployment(cloud, "laptop", folder, environments=ROOT / "examples")
        deploy(deployment)
        yield Platform(deployment)
    assert left_since(before) == {}


def wait_for(condition: Callable[[], Any], timeout_s: float = START_S) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"it did not come true within {timeout_s} s"
        time.sleep(0.02)
    return value


def job_of(platform: Platform, run: str) -> str:
    return json.loads(platform.hpc("status", run, "--json").stdout)["jobs"][0]["job_id"]


def tasks(platform: Platform, job: str) -> dict[int, dict[str, Any]]:
    found = (task for item in platform.cloud.jobs() if item["jobId"] == job for task in item["tasks"])
    return {task["node"]: task for task in found}


def described(platform: Platform, job: str) -> dict[str, Any]:
    return platform.client("batch").describe_jobs(jobs=[job])["jobs"][0]


def log(platform: Platform, job: str) -> list[tuple[float, str]]:
    """Return the lines of a container so far, with Unix times."""
    container = described(platform, job)["container"]
    if "logStreamName" not in container:
        return []
    group = container["logConfiguration"]["options"]["awslogs-group"]
    found = platform.client("logs").get_log_events(
        logGroupName=group, logStreamName=container["logStreamName"], startFromHead=True
    )
    return [(event["timestamp"] / 1000, event["message"]) for event in found["events"]]


def text(platform: Platform, job: str) -> str:
    return "\n".join(line for _, line in log(platform, job))


def start(platform: Platform, command: str, nodes: int = 3) -> tuple[str, str]:
    """Submit a multi-node job and wait until its command runs; return run and job."""
    run = platform.submit("--nodes", str(nodes), *BOUNDED, "--", "bash", "-c", f"echo here we are; {command}")
    job = job_of(platform, run)
    wait_for(lambda: "here we are" in text(platform, f"{job}#0"))
    return run, job


def ended_within(platform: Platform, job: str, bound_s: float) -> dict[str, Any]:
    """Wait for the end of a job, and hold it against the bound; no container of it is left then."""
    began = time.monotonic()
    ended = wait_for(
        lambda: (found := described(platform, job))["status"] in {"SUCCEEDED", "FAILED"} and found, bound_s
    )
    wait_for(lambda: not tasks(platform, job), 5)
    print(f"ended after {time.monotonic() - began:.1f} s of {bound_s}")
    return ended


# ------------------------------------------------------------------------------------------------- what works


def test_an_mpi_job_in_four_containers_gives_what_one_process_gives(
    contained: Platform, output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = contained.submit(
        "--nodes", str(NODES), *BOUNDED, "--input", f"PROGRAM={HEAT}", "--output", "RESULT", "--", "bash", "-c", SOLVE
    )
    job = job_of(contained, run)
    running = wait_for(lambda: len(found := tasks(contained, job)) == NODES and found)
    assert contained.wait(run) == 0
    phases = phases_of(contained, run, job, running)
    with capsys.disabled():
        print("\nseconds  phase of 4 nodes in containers")
        print("\n".join(f"{seconds:7.2f}  {name}" for name, seconds in phases.items()))

    nodes = [described(contained, f"{job}#{node}") for node in range(NODES)]
    addresses = {node["container"]["networkInterfaces"][0]["privateIpv4Address"] for node in nodes}
    assert len(addresses) == NODES
    ranks = [re.findall(r"rank \d of 4 on (\S+)", text(contained, f"{job}#{node}")) for node in range(NODES)]
    assert {address for found in ranks for address in found} == addresses
    assert [len(found) for found in ranks] == [1] * NODES
    assert "1000" in text(contained, f"{job}#0").splitlines()
    uri, _, digest = nodes[0]["container"]["image"].partition("@")
    repository = re.fullmatch(objects.ECR_PATTERN, uri)
    assert repository is not None
    images = contained.client("ecr").describe_images(repositoryName=repository[3])["imageDetails"]
    assert [image["imageDigest"] for image in images] == [digest]

    assert contained.hpc("fetch", run, "--to", str(output)).returncode == 0
    python(HEAT, "--serial", "--output", tmp_path / "serial.npz")
    compared = json.loads(python(HEAT, "--compare", tmp_path / "serial.npz", output / "0" / "RESULT"))
    assert compared["largest_difference"] <= 1e-12


def phases_of(platform: Platform, run: str, job: str, running: dict[int, dict[str, Any]]) -> dict[str, float]:
    """Return how long each phase took, by the records of the local cloud and the times of the main node's lines."""
    lines = log(platform, f"{job}#0")
    first = next(at for at, line in lines if "node 0 of" in line)
    command = next(at for at, line in lines if line == "1000")
    solved = next(at for at, line in lines if line == "solved")
    stopped = described(platform, job)["stoppedAt"] / 1000
    return {
        "pull": max((at[1] - at[0]) / 1000 for at in (t["pulledMs"] for t in running.values())),
        "start of a container": max((task["startedMs"] - task["pulledMs"][1]) / 1000 for task in running.values()),
        "start of all containers": (max(t["startedMs"] for t in running.values()) - running[0]["pulledMs"][1]) / 1000,
        "rendezvous and stage in": command - first,
        "command": solved - command,
        "stage out, status, end of all nodes": stopped - solved,
        **{f"of these, {name}": seconds for name, seconds in moved(platform, run).items()},
    }


def moved(platform: Platform, run: str) -> dict[str, float]:
    """Return what the status tells of phases: the seconds of each, by name."""
    key = RunPaths(project="default", run_id=run).status(0)
    status = json.loads(platform.client("s3").get_object(Bucket=bucket(platform), Key=key)["Body"].read())
    phases = status.get("phases", {})
    return {name: found["seconds"] if isinstance(found, dict) else found for name, found in phases.items()}


def bucket(platform: Platform) -> str:
    meta = platform.client("ssm").get_parameter(Name="/hpc/laptop/meta")["Parameter"]["Value"]
    return json.loads(meta)["bucket"]


def python(*arguments: object) -> str:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_tokens_are_made_for_each_job_and_are_in_no_environment(contained: Platform) -> None:
    tokens = set()
    for _ in range(2):
        run, job = start(contained, "sleep 600", nodes=2)
        key = RunPaths(project="default", run_id=run).rendezvous(0, 1)
        word = json.loads(contained.client("s3").get_object(Bucket=bucket(contained), Key=key)["Body"].read())
        tokens.add(word["token"])
        environments = [Path(f"/proc/{task['pid']}/environ").read_bytes() for task in tasks(contained, job).values()]
        assert len(environments) == 2
        assert not any(word["token"].encode() in item for item in environments)
        assert contained.hpc("cancel", run).returncode == 0
        ended_within(contained, job, GONE_S)
    assert len(tokens) == 2
    assert all(len(token) == 64 for token in tokens)


def test_who_does_not_know_the_token_is_turned_away_and_the_job_goes_on(contained: Platform) -> None:
    """The port is open until all nodes have come: a stranger in the main node's own network gets there before them."""
    s3 = contained.client("s3")
    for _ in range(3):  # it may come too late on a busy machine
        run = contained.submit("--nodes", str(NODES), *BOUNDED, "--", "sleep", "1")
        key = RunPaths(project="default", run_id=run).rendezvous(0, 1)

        def word(key: str = key) -> Any:
            with contextlib.suppress(s3.exceptions.NoSuchKey):
                return json.loads(s3.get_object(Bucket=bucket(contained), Key=key)["Body"].read())
            return None

        where = wait_for(word)
        heard = lie(contained, where)
        job = job_of(contained, run)
        assert contained.wait(run) == 0
        if heard is None:
            continue
        assert heard == b""
        assert "turned away a connection that is no node of this job" in text(contained, f"{job}#0")
        return
    pytest.fail("the port was closed before it could be tried, three times")


def lie(platform: Platform, where: dict[str, Any]) -> bytes | None:
    """Register as node 1 with a proof made from another token; return the answer, None if the port is closed."""
    heard: list[bytes] = []

    def inside() -> None:
        """In the network of some container: the bridge is the same for all."""
        port = int(platform.cloud.url.rpartition(":")[2])
        with next(network.NAMESPACES.glob(f"lc{port}.*")).open() as namespace:
            network.enter(namespace.fileno())
        with (
            contextlib.suppress(ConnectionRefusedError),
            socket.create_connection((where["address"], where["port"]), 5) as sock,
            sock.makefile("rb") as lines,
        ):
            challenge = json.loads(lines.readline())
            lie = {"node": 1, "address": "10.88.0.1", "proof": "00" * 32, "challenge": challenge["challenge"]}
            sock.sendall(json.dumps(lie).encode() + b"\n")
            heard.append(lines.readline())

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join(30)
    return heard[0] if heard else None


# ------------------------------------------------------------------------------------------------- what breaks


def test_a_killed_node_ends_the_job_with_74_and_is_named(contained: Platform) -> None:
    _, job = start(contained, "mpirun --map-by ppr:1:node sleep 600")
    contained.cloud.kill(f"{job}#2")
    ended = ended_within(contained, job, GONE_S)
    assert ended["attempts"][0]["container"]["exitCode"] == exit_codes.NODE_LOST
    assert re.search(r"node 2 at 10\.88\.", text(contained, f"{job}#0"))


def test_a_killed_main_node_ends_all_the_others(contained: Platform) -> None:
    _, job = start(contained, "mpirun --map-by ppr:1:node sleep 600")
    contained.cloud.kill(f"{job}#0")
    ended = ended_within(contained, job, GONE_S)
    assert ended["attempts"][0]["container"]["exitCode"] == 137
    assert "the main node at 10.88." in text(contained, f"{job}#1")


def test_a_node_that_is_cut_off_ends_the_job_with_74_and_is_named(contained: Platform) -> None:
    _, job = start(contained, "mpirun --map-by ppr:1:node sleep 600")
    contained.cloud.cut(f"{job}#2")
    ended = ended_within(contained, job, SILENT_S)
    assert ended["attempts"][0]["container"]["exitCode"] == exit_codes.NODE_LOST
    assert re.search(r"node 2 at 10\.88\.", text(contained, f"{job}#0"))


def test_out_of_memory_is_told_by_exit_code_and_reason(contained: Platform) -> None:
    run = contained.submit("--memory", "128", *BOUNDED, "--", "python", "-c", "bytearray(1 << 30)")
    assert contained.wait(run) == 137
    container = described(contained, job_of(contained, run))["attempts"][0]["container"]
    assert container["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert "SIGKILL" in text(contained, job_of(contained, run))


def test_a_reclaimed_spot_instance_is_announced_and_the_next_attempt_ends_the_run(contained: Platform) -> None:
    script = "test $AWS_BATCH_JOB_ATTEMPT = 2 || { while ! cat $HPC_HOST/spot-notice; do sleep 0.1; done; sleep 600; }"
    run = contained.submit(*BOUNDED, "--", "bash", "-c", f"echo here we are; {script}")
    job = job_of(contained, run)
    wait_for(lambda: "here we are" in text(contained, job))
    began = time.monotonic()
    instance = contained.cloud.reclaim(job)
    assert contained.wait(run) == 0
    assert NOTICE_S < time.monotonic() - began < NOTICE_S + GONE_S
    first, second = described(contained, job)["attempts"]
    assert first["statusReason"] == f"Host EC2 (instance {instance}) terminated."
    assert second["container"]["exitCode"] == 0


def test_a_command_that_ignores_sigterm_is_killed_after_the_stop_timeout(contained: Platform) -> None:
    run, job = start(contained, "trap '' TERM; while :; do sleep 1; done", nodes=2)
    assert contained.hpc("cancel", run).returncode == 0
    ended = ended_within(contained, job, GONE_S)
    assert ended["status"] == "FAILED"
    assert ended["attempts"][0]["container"]["exitCode"] == 137


def test_what_a_checkpoint_holds_when_spot_takes_the_instance_is_there_on_the_next_attempt(contained: Platform) -> None:
    script = """
        cat "$HPC_CHECKPOINT_DIR/step" 2>/dev/null && exit 0
        trap 'echo reached at the notice > "$HPC_CHECKPOINT_DIR/step"; exit 143' TERM
        echo here we are; while :; do sleep 0.1; done"""
    run = contained.submit("--checkpoint", "10", *BOUNDED, "--", "bash", "-c", script)
    job = job_of(contained, run)
    wait_for(lambda: "here we are" in text(contained, job))
    contained.cloud.reclaim(job, 40)
    assert contained.wait(run) == 0
    assert len(described(contained, job)["attempts"]) == 2
    assert "reached at the notice" in text(contained, job)
