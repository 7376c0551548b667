"""Faults of the table: the job ends within its bound, with its exit code and message, and leaves no processes."""

from __future__ import annotations

import json
import secrets
import signal
import threading
import time
from typing import Any

import pytest

from tests.hpc.node.conftest import eventually
from tests.hpc.node.line import Line, refusal
from tests.hpc.node.multi_node_faults import FAULTS
from tests.hpc.node.test_multi_node import COUNT, SLEEP_FOREVER, ended, wait_for_output
from tools.namespaces import Hosts

pytestmark = pytest.mark.slow


def ask(job: Any, **settings: Any) -> None:
    environment = {"HPC_RENDEZVOUS_TIMEOUT_S": "8", "HPC_HEARTBEAT_S": "1", **settings.pop("environment", {})}
    job.ask(kind="multi-node", nodes=COUNT, vcpus=1, environment=environment, **settings)


def start(job: Any, *command: str, only: tuple[int, ...] = (0, 1, 2, 3), **more: str) -> dict[int, Any]:
    return {number: job.start_node(number, COUNT, *command, **more) for number in only}


def ends(job: Any, nodes: dict[int, Any], what: str, within_s: float = 30) -> None:
    """Wait for the end and compare it with the table; every node must end."""
    fault, main = FAULTS[what], nodes[0]
    started = time.monotonic()
    assert main.wait(within_s) == fault.exit_code, main.err
    assert fault.says in main.err
    for number, node in nodes.items():
        if number:
            node.wait(max(1.0, within_s - (time.monotonic() - started)))
    status = job.status()
    assert status["exit_code"] == fault.exit_code
    assert fault.exit_code == 0 or status["reason"] in main.err


def test_a_node_that_never_comes_is_named(job: Any) -> None:
    ask(job, environment={"HPC_RENDEZVOUS_TIMEOUT_S": "3"})
    ends(job, start(job, "true", only=(0, 1, 3)), "a node never comes", within_s=20)


def test_a_node_that_cannot_start_its_part_tells_the_main_node(job: Any) -> None:
    ask(job, environment={"HPC_RENDEZVOUS_TIMEOUT_S": "60"})
    nodes = start(job, "true", only=(0, 1, 3))
    nodes[2] = job.start_node(2, COUNT, "true", HPC_RUN_ID="20261122-000000-nobody", HPC_PART="0")
    assert nodes.pop(2).wait() == 76  # another run: its word is not found where the main node looks
    nodes[2] = job.start_node(2, COUNT, "true", HPC_EFA="yes")
    ends(job, nodes, "a node cannot even start its part", within_s=20)


def test_a_node_with_another_key_is_turned_away(job: Any) -> None:
    ask(job, environment={"HPC_RENDEZVOUS_TIMEOUT_S": "3"})
    key = job.paths.rendezvous(0, 1)
    nodes = start(job, "true", only=(0,))
    word = json.loads(eventually(lambda: job.keys("rendezvous/") and job.read(key), "announced"))
    job.write(key, json.dumps({**word, "token": secrets.token_hex(32)}))
    nodes |= start(job, "true", only=(1, 2, 3))
    ends(job, nodes, "a node finds another key", within_s=20)
    assert [nodes[number].process.returncode for number in (1, 2, 3)] == [73, 73, 73]
    assert word["token"] not in nodes[0].err


def test_a_node_without_its_input_is_named(job: Any) -> None:
    ask(job, inputs=[{"name": "MESH", "uri": "s3://data/nothing/there"}])
    ends(job, start(job, "true"), "a node does not get its input")


def test_a_node_that_dies_is_named(job: Any) -> None:
    ask(job)
    mark = secrets.token_hex(8)
    nodes = start(job, *SLEEP_FOREVER, MARK=mark)
    wait_for_output(nodes[0], "up")
    nodes[2].process.send_signal(signal.SIGKILL)
    ends(job, nodes, "a node dies", within_s=20)
    eventually(lambda: ended(mark), "no process of the job is left")


def test_a_node_that_hangs_is_named(job: Any) -> None:
    ask(job)
    mark = secrets.token_hex(8)
    nodes = start(job, *SLEEP_FOREVER, MARK=mark)
    wait_for_output(nodes[0], "up")
    frozen = nodes.pop(2)
    frozen.process.send_signal(signal.SIGSTOP)
    ends(job, nodes, "a node hangs", within_s=20)
    assert "node 2 at 127.0.0.4" in nodes[0].err
    frozen.process.send_signal(signal.SIGCONT)
    assert frozen.wait(20) == 74
    eventually(lambda: ended(mark), "no process of the job is left")


def test_a_node_that_hangs_while_it_fetches_its_input_is_named(job: Any) -> None:
    ask(job, inputs=[{"name": "MESH", "uri": job.write("shared/mesh", "mesh")}])
    asked, ended = threading.Event(), threading.Event()

    def hang(request: bytes) -> None:
        if b"shared/mesh" in request:
            asked.set()
            ended.wait(30)

    with Line(job.endpoint, hang) as line:
        nodes = start(job, "true", only=(0, 1, 3))
        frozen = job.start_node(2, COUNT, "true", AWS_ENDPOINT_URL=line.url)
        assert asked.wait(20)
        frozen.process.send_signal(signal.SIGSTOP)
        ends(job, nodes, "a node hangs", within_s=20)
        ended.set()


def test_a_node_that_is_busy_with_its_input_is_not_lost(job: Any) -> None:
    ask(job, inputs=[{"name": "MESH", "uri": job.write("shared/mesh", "mesh")}])
    with Line(job.endpoint, lambda request: time.sleep(8 if b"shared/mesh" in request else 0)) as line:
        nodes = start(job, "true", only=(0, 1, 3))
        nodes[2] = job.start_node(2, COUNT, "true", AWS_ENDPOINT_URL=line.url)
        assert [node.wait(20) for node in nodes.values()] == [0] * COUNT, nodes[0].err


def test_the_others_end_when_the_main_node_dies_or_hangs(job: Any) -> None:
    for number in (signal.SIGKILL, signal.SIGSTOP):
        ask(job)
        mark = secrets.token_hex(8)
        nodes = start(job, *SLEEP_FOREVER, MARK=mark, AWS_BATCH_JOB_ATTEMPT=str(int(number)))
        wait_for_output(nodes[0], "up")
        nodes[0].process.send_signal(number)
        assert [nodes[other].wait(20) for other in (1, 2, 3)] == [74, 74, 74]
        assert "the main node at 127.0.0.2 was lost" in nodes[1].err
        nodes[0].process.send_signal(signal.SIGKILL)
        eventually(lambda mark=mark: ended(mark), "no process of the job is left")


def test_s3_that_refuses_the_announcement_is_named(job: Any) -> None:
    ask(job)

    def refuse(request: bytes) -> bytes | None:
        line = request.partition(b"\r\n")[0]
        return refusal("AccessDenied") if line.startswith(b"PUT ") and b"/rendezvous/" in line else None

    with Line(job.endpoint, refuse) as line:
        ends(job, start(job, "true", only=(0,), AWS_ENDPOINT_URL=line.url), "S3 refuses the announcement", within_s=20)


def test_s3_that_is_slow_only_takes_longer(job: Any) -> None:
    ask(job, inputs=[{"name": "MESH", "uri": job.write("shared/mesh", "mesh")}])
    with Line(job.endpoint, lambda _: time.sleep(0.7)) as line:
        ends(job, start(job, "true", AWS_ENDPOINT_URL=line.url), "S3 is slow", within_s=60)


def test_a_job_that_requires_efa_is_refused_without(job: Any) -> None:
    ask(job, environment={"HPC_EFA": "require"})
    ends(job, start(job, "true"), "EFA is required and there is none", within_s=20)


def test_a_job_that_prefers_efa_says_that_it_takes_tcp(job: Any) -> None:
    ask(job, environment={"HPC_EFA": "prefer"})
    nodes = start(job, "bash", "-c", "echo $FI_PROVIDER")
    assert [node.wait() for node in nodes.values()] == [0] * COUNT
    assert nodes[0].out == "tcp\n"
    assert "MPI uses TCP" in nodes[0].err
    assert "no EFA on this node" in nodes[2].err


@pytest.mark.parametrize(
    ("what", "script"), [("the command ends with 3", "exit 3"), ("the command is killed", "kill -9 $$")]
)
def test_the_end_of_the_command_is_the_jobs(job: Any, what: str, script: str) -> None:
    ask(job)
    ends(job, start(job, "bash", "-c", script), what, within_s=20)


def test_a_command_that_ignores_sigterm_ends_with_its_container(job: Any) -> None:
    ask(job)
    mark = secrets.token_hex(8)
    nodes = start(job, "bash", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done", MARK=mark)
    wait_for_output(nodes[0], "up")
    for node in nodes.values():  # as AWS Batch does, which kills 30 s later
        node.process.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert nodes[0].process.poll() is None
    nodes[0].process.send_signal(signal.SIGKILL)
    assert [nodes[other].wait(20) for other in (1, 2, 3)] == [74, 74, 74]
    eventually(lambda: ended(mark), "no process of the job is left")


# ------------------------------------------------------------------------------- the command on every node


def test_the_command_runs_on_every_node_with_its_place_among_them(job: Any) -> None:
    ask(job, every_node=True)
    show = 'echo "$RANK/$WORLD_SIZE $LOCAL_RANK/$LOCAL_WORLD_SIZE $MASTER_ADDR:$MASTER_PORT" > $HPC_OUTPUT_DIR/place'
    nodes = start(job, "bash", "-c", show)
    assert [node.wait() for node in nodes.values()] == [0] * COUNT, nodes[0].err
    places = {key: job.read(job.paths.prefix + key) for key in job.keys("outputs/")}
    port = places["outputs/0/place"].rpartition(":")[2]
    assert places == {
        f"outputs/0/{f'node-{node}/' if node else ''}place": f"{node}/4 0/1 127.0.0.2:{port}" for node in range(COUNT)
    }


def test_the_job_waits_for_the_command_on_all_nodes(job: Any) -> None:
    ask(job, every_node=True)
    nodes = start(job, "bash", "-c", "[ $RANK = 0 ] || sleep 2; touch $HPC_OUTPUT_DIR/done-$RANK")
    assert [node.wait() for node in nodes.values()] == [0] * COUNT
    assert len(job.keys("outputs/")) == COUNT


def test_a_node_on_which_the_command_fails_ends_the_job(job: Any) -> None:
    ask(job, every_node=True)
    mark = secrets.token_hex(8)
    nodes = start(job, "bash", "-c", "[ $RANK != 2 ] || exit 3; sleep 600", MARK=mark)
    ends(job, nodes, "the command ends with 3 on one of all nodes", within_s=20)
    eventually(lambda: ended(mark), "no process of the job is left")


def test_below_mpirun_no_rank_is_told_that_it_is_the_first(job: Any) -> None:
    ask(job)
    nodes = start(job, "bash", "-c", 'echo "${RANK-none} ${WORLD_SIZE-none} $MASTER_ADDR"')
    assert nodes[0].wait() == 0
    assert nodes[0].out == "none none 127.0.0.2\n"


# -------------------------------------------------------------------------------- on networks of their own


def test_a_port_that_is_closed_between_two_nodes_is_named(job: Any, hosts: Hosts) -> None:
    hosts.block(3, "-s", hosts.address(2), "-p", "tcp", "--syn")
    ask(job)
    nodes = job.start_on(hosts, "true")
    ends(job, nodes, "two nodes do not reach each other", within_s=30)
    assert "node 2 at 10.77.0.3 cannot connect to node 3 at 10.77.0.4 port" in nodes[0].err
    assert "no answer in 5 s" in nodes[0].err
    assert "security group" in nodes[0].err


def test_a_node_that_does_not_reach_the_main_node_tells_it_through_s3(job: Any, hosts: Hosts) -> None:
    hosts.block(0, "-s", hosts.address(2), "-p", "tcp", "--syn")
    ask(job, environment={"HPC_RENDEZVOUS_TIMEOUT_S": "40"})
    nodes = job.start_on(hosts, "true")
    ends(job, nodes, "a node does not reach the main node", within_s=50)
    assert "10.77.0.3 cannot connect to 10.77.0.1:" in nodes[0].err


def test_a_node_whose_network_is_cut_is_named(job: Any, hosts: Hosts) -> None:
    ask(job)
    mark = secrets.token_hex(8)
    nodes = job.start_on(hosts, "bash", "-c", "echo up; sleep 600", MARK=mark)
    wait_for_output(nodes[0], "up")
    hosts.cut(2)
    cut = nodes.pop(2)
    ends(job, nodes, "a node's network is cut", within_s=20)
    assert cut.wait(20) == 74
    eventually(lambda: ended(mark), "no process of the job is left")
