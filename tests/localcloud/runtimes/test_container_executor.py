"""The container executor, where it differs from the process executor."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.session import LocalCloud
from tests.container import support
from tests.containers import left_since, leftovers, small_image, world_of

pytestmark = pytest.mark.slow

TIME_SCALE = 0.05
STOP_S = 30 * TIME_SCALE
NOTICE_S = 120 * TIME_SCALE


@pytest.fixture(scope="module")
def contained(tmp_path_factory: pytest.TempPathFactory, world_type: Any) -> Iterator[Any]:
    support.environment()
    folder: Path = tmp_path_factory.mktemp("contained")
    with LocalCloud(folder, "--executor", "container", "--time-scale", str(TIME_SCALE)) as cloud:
        world = world_of(world_type, cloud, support.build())
        world.define("contained")
        world.define_nodes("contained-nodes")
        yield world


def run(world: Any, *command: str, **container: Any) -> dict[str, Any]:
    return world.run(definition=world.define("", *command, container=container))


def memory(mib: int, vcpus: int = 1) -> list[dict[str, str]]:
    return [{"type": "VCPU", "value": str(vcpus)}, {"type": "MEMORY", "value": str(mib)}]


def test_the_image_and_not_this_machine_is_what_a_job_sees(contained: Any, tmp_path: Path) -> None:
    job = run(contained, "sh", "-c", f"id -u; pwd; test -e {tmp_path} || echo elsewhere")
    assert contained.lines(job) == ["1000", "/home/hpc", "elsewhere"]


def test_the_exit_code_is_the_jobs(contained: Any) -> None:
    job = run(contained, "sh", "-c", "exit 3")
    assert (job["status"], job["attempts"][0]["container"]["exitCode"]) == ("FAILED", 3)


def test_an_image_that_was_pushed_to_another_repository_is_not_pulled(contained: Any) -> None:
    ecr = contained.client("ecr")
    other = ecr.create_repository(repositoryName=contained.unique("other"))["repository"]["repositoryUri"]
    job = run(contained, "true", image=f"{other}@{contained.image.partition('@')[2]}")
    assert job["attempts"][0]["container"]["reason"].startswith("CannotPullContainerError")


def test_secrets_and_variables_arrive_and_are_in_no_command_line(contained: Any, wait: Any) -> None:
    secret = contained.client("secretsmanager").create_secret(
        Name=contained.unique("secret"), SecretString="of the job"
    )["ARN"]
    definition = contained.define(
        "", "sh", "-c", 'echo "$SECRET $PLAIN"; sleep 60',
        container={
            "secrets": [{"name": "SECRET", "valueFrom": secret}],
            "environment": [{"name": "PLAIN", "value": "one\ttwo"}],
        },
    )  # fmt: skip
    job = contained.wait_for_status(contained.submit(definition=definition), "RUNNING")
    assert wait(lambda: contained.lines(job)) == ["of the job one\ttwo"]
    command_lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(b"of the job" in line for line in command_lines)
    contained.batch.terminate_job(jobId=job["jobId"], reason="seen")
    contained.result(job["jobId"])


def test_out_of_memory_is_exit_code_137_with_the_reason_of_the_service(contained: Any) -> None:
    job = run(contained, "python3", "-c", "bytearray(200 << 20)", resourceRequirements=memory(64))
    assert job["status"] == "FAILED"
    assert job["attempts"][0]["container"]["exitCode"] == 137
    assert job["attempts"][0]["container"]["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert job["statusReason"] == "Essential container in task exited"


def test_a_kill_by_another_is_not_called_out_of_memory(contained: Any) -> None:
    job = run(contained, "sh", "-c", "sh -c 'kill -9 $$'; exit $?")
    assert job["attempts"][0]["container"]["exitCode"] == 137
    assert "reason" not in job["attempts"][0]["container"]


def test_memory_and_cpu_weight_are_those_of_the_definition(contained: Any) -> None:
    script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.shares"
    job = run(contained, "sh", "-c", script, resourceRequirements=memory(100, 3))
    assert contained.lines(job) == [str(100 << 20), str(3 * 1024)]


def test_a_read_only_root_with_a_folder_in_memory_and_volumes(contained: Any) -> None:
    script = "touch /tmp/a || touch /in-memory/a && touch /scratch/a; touch /run/hpc/a || df -m --output=size /dev/shm"
    job = run(
        contained, "sh", "-c", script, readonlyRootFilesystem=True,
        linuxParameters={
            "initProcessEnabled": True, "sharedMemorySize": 77,
            "tmpfs": [{"containerPath": "/in-memory", "size": 5, "mountOptions": ["rw", "exec", "nosuid", "nodev"]}],
        },
        volumes=[
            {"name": "run-hpc", "host": {"sourcePath": "/run/hpc"}},
            {"name": "scratch", "host": {"sourcePath": "/scratch"}},
        ],
        mountPoints=[
            {"sourceVolume": "run-hpc", "containerPath": "/run/hpc", "readOnly": True},
            {"sourceVolume": "scratch", "containerPath": "/scratch"},
        ],
    )  # fmt: skip
    assert job["status"] == "SUCCEEDED"
    lines = contained.lines(job)
    assert [line.rpartition(": ")[2] for line in lines] == [
        "Read-only file system", "Read-only file system", "1M-blocks", "       77",
    ]  # fmt: skip


def test_a_device_that_the_instance_does_not_have_stops_the_container_from_starting(contained: Any) -> None:
    started = time.monotonic()
    job = run(contained, "true", linuxParameters={"devices": [{"hostPath": "/dev/infiniband/uverbs0"}]})
    assert time.monotonic() - started < 5
    assert job["statusReason"] == "Task failed to start"
    assert job["attempts"][0]["container"]["reason"].startswith("CannotStartContainerError: Error response from daemon:"
                                                               " error gathering device information")  # fmt: skip


def test_a_command_that_ignores_sigterm_is_killed_when_the_stop_timeout_is_over(contained: Any, wait: Any) -> None:
    definition = contained.define("", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
    job = contained.wait_for_status(contained.submit(definition=definition), "RUNNING")
    wait(lambda: contained.lines(job) == ["ready"])
    stopped = time.monotonic()
    contained.batch.terminate_job(jobId=job["jobId"], reason="enough")
    job = contained.result(job["jobId"])
    assert STOP_S <= time.monotonic() - stopped < STOP_S + 3
    assert (job["statusReason"], job["attempts"][0]["container"]["exitCode"]) == ("enough", 137)


def test_one_that_heeds_sigterm_ends_at_once(contained: Any, wait: Any) -> None:
    definition = contained.define("", "sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done")
    job = contained.wait_for_status(contained.submit(definition=definition), "RUNNING")
    wait(lambda: contained.lines(job) == ["ready"])
    contained.batch.terminate_job(jobId=job["jobId"], reason="enough")
    assert contained.result(job["jobId"])["attempts"][0]["container"]["exitCode"] == 9


NOTICE = "while ! cat /run/hpc/spot-notice 2>/dev/null; do sleep 0.1; done; sleep 600"
HOST = {
    "volumes": [{"name": "host", "host": {"sourcePath": "/run/hpc"}}],
    "mountPoints": [{"sourceVolume": "host", "containerPath": "/run/hpc", "readOnly": True}],
}


def test_a_reclaimed_spot_instance_is_announced_and_the_next_attempt_runs_elsewhere(contained: Any) -> None:
    queue = contained.queue(type="SPOT", allocationStrategy="SPOT_PRICE_CAPACITY_OPTIMIZED")
    script = f'test "$AWS_BATCH_JOB_ATTEMPT" = 1 || exit 0; {NOTICE}'
    definition = contained.define(
        "", "sh", "-c", script, container=HOST,
        retryStrategy={"attempts": 2, "evaluateOnExit": [{"onStatusReason": "Host EC2*", "action": "RETRY"}]},
    )  # fmt: skip
    job = contained.wait_for_status(contained.submit(definition=definition, queue=queue), "RUNNING")
    asked = time.monotonic()
    instance = contained.cloud.reclaim(job["jobId"])
    job = contained.result(job["jobId"])
    assert NOTICE_S <= time.monotonic() - asked < NOTICE_S + STOP_S + 4
    assert (job["status"], len(job["attempts"])) == ("SUCCEEDED", 2)
    assert job["attempts"][0]["statusReason"] == f"Host EC2 (instance {instance}) terminated."
    notice = json.loads(contained.lines(job["attempts"][0])[0])
    assert notice["action"] == "terminate"
    assert time.strptime(notice["time"], "%Y-%m-%dT%H:%M:%SZ")


def test_nodes_reach_each_other_at_addresses_of_their_own_and_nothing_else(contained: Any) -> None:
    script = """
        if [ $AWS_BATCH_JOB_NODE_INDEX = 0 ]; then
            exec python3 -c "
import socket
server = socket.create_server(('', 4000))
print(sorted(server.accept()[1][0] for _ in range(2)))"
        fi
        exec python3 -c "
import os, socket, time
for _ in range(100):
    try:
        socket.create_connection((os.environ['AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS'], 4000), 1)
        break
    except OSError:
        time.sleep(0.1)
try:
    socket.create_connection(('192.0.2.1', 80), 3)
except OSError as error:
    print(error.strerror)
" """
    job = contained.result(contained.submit_nodes(3, script, definition="contained-nodes"))
    assert job["status"] == "SUCCEEDED"
    nodes = [contained.describe(f"{job['jobId']}#{node}") for node in range(3)]
    addresses = [node["container"]["networkInterfaces"][0]["privateIpv4Address"] for node in nodes]
    assert contained.lines(nodes[0]) == [str(sorted(addresses[1:]))]
    assert contained.lines(nodes[1]) == ["Network is unreachable"]
    assert len(set(addresses)) == 3


def test_a_cut_is_between_the_two_and_at_the_port_that_it_names(contained: Any, wait: Any) -> None:
    script = """
        exec python3 -c "
import os, socket, threading, time
def serve(port):
    server = socket.create_server(('', port))
    while True: server.accept()[0].close()
for port in (4000, 4001): threading.Thread(target=serve, args=(port,), daemon=True).start()
main = os.environ.get('AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS')
def reached(port):
    try:
        socket.create_connection((main, port), 0.5).close()
        return 1
    except OSError:
        return 0
while True:
    print(*(reached(port) for port in (4000, 4001)) if main else 'main', flush=True)
    time.sleep(0.1)
" """
    job = contained.submit_nodes(3, script, definition="contained-nodes")
    wait(lambda: len(contained.tasks(job)) == 3)

    def seen(node: int) -> str:
        return (contained.lines(contained.describe(f"{job}#{node}")) or [""])[-1]

    wait(lambda: (seen(1), seen(2)) == ("1 1", "1 1"))
    contained.cloud.cut(f"{job}#1", f"{job}#0", 4001)
    wait(lambda: (seen(1), seen(2)) == ("1 0", "1 1"))
    contained.cloud.cut(f"{job}#1", f"{job}#0")
    wait(lambda: (seen(1), seen(2)) == ("0 0", "1 1"))
    contained.cloud.cut(f"{job}#0")
    wait(lambda: seen(2) == "0 0")
    contained.batch.terminate_job(jobId=job, reason="seen")
    contained.result(job)


def test_a_killed_node_has_exit_code_137_and_the_others_go_on(contained: Any, wait: Any) -> None:
    job = contained.submit_nodes(3, "sleep 600", definition="contained-nodes")
    wait(lambda: len(contained.tasks(job)) == 3)
    contained.cloud.kill(f"{job}#2")
    assert contained.result(f"{job}#2")["container"]["exitCode"] == 137
    assert sorted(task["node"] for task in contained.tasks(job)) == [0, 1]
    contained.batch.terminate_job(jobId=job, reason="seen")
    contained.result(job)


def test_what_does_not_run_can_be_neither_killed_nor_reclaimed(contained: Any) -> None:
    job = run(contained, "true")["jobId"]
    for act in (contained.cloud.kill, contained.cloud.reclaim, contained.cloud.cut):
        with pytest.raises(ValueError, match=f"{job}: no container"):
            act(job)


@pytest.mark.parametrize("end", ["in order", "killed"])
def test_nothing_is_left_when_the_local_cloud_has_ended(tmp_path: Path, world_type: Any, wait: Any, end: str) -> None:
    support.environment()
    before = leftovers()
    with LocalCloud(tmp_path, "--executor", "container", "--time-scale", str(TIME_SCALE)) as cloud:
        world = world_of(world_type, cloud, small_image())
        world.define_nodes("contained-nodes")
        job = world.submit(definition="contained-nodes")
        wait(lambda: len(world.tasks(job)) == 2)
        assert leftovers() != before
        if end == "killed":
            os.kill(cloud.pid, signal.SIGKILL)
    assert left_since(before) == {}
    assert list((tmp_path / "jobs").iterdir()) == [] or end == "killed"
