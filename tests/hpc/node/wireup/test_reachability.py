"""Connection tests between nodes, and reports of blocked connections."""

from __future__ import annotations

import socket
import time

from hypothesis import given
from hypothesis import strategies as st

from hpc.node.wireup import reachability, torch_env


@given(st.integers(2, reachability.ALL_PAIRS))
def test_few_nodes_try_every_pair_in_both_directions(nodes: int) -> None:
    tried = {(node, other) for node in range(nodes) for other in reachability.tried_by(node, nodes)}
    assert tried == {(one, two) for one in range(nodes) for two in range(nodes) if one != two}


@given(st.integers(reachability.ALL_PAIRS + 1, 1000))
def test_many_nodes_are_tried_by_as_many_as_they_try(nodes: int) -> None:
    by_node = [reachability.tried_by(node, nodes) for node in range(nodes)]
    assert all(node not in others and len(others) == len(set(others)) <= 10 for node, others in enumerate(by_node))
    tries = [0] * nodes
    for others in by_node:
        for other in others:
            tries[other] += 1
    assert set(tries) == {len(by_node[0])}


def test_a_port_that_listens_is_reached_and_nobody_has_to_accept() -> None:
    with reachability.listen("127.0.0.1", 4) as listener:
        targets = dict.fromkeys(range(31), listener.getsockname())
        started = time.monotonic()
        assert reachability.unreached(targets) == {}
        assert time.monotonic() - started < 1


def test_a_refused_connection_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = closed.getsockname()
    started = time.monotonic()
    assert reachability.unreached({3: address}) == {3: "Connection refused"}
    assert time.monotonic() - started < 1


def test_a_port_that_does_not_answer_is_told_within_the_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        assert reachability.unreached({5: full.getsockname()}, timeout_s=0.2) == {5: "no answer in 0.2 s"}
        for filler in fillers:
            filler.close()


def test_the_advice_names_the_ports_and_the_security_group() -> None:
    assert "any TCP port from" in reachability.advice()
    assert "security group" in reachability.advice()


def test_frameworks_meet_at_a_port_that_is_free() -> None:
    first = torch_env.meeting_point("10.0.0.1")
    with socket.create_server(("", int(first["MASTER_PORT"]))):
        second = torch_env.meeting_point("10.0.0.1")
    assert first["MASTER_ADDR"] == "10.0.0.1"
    assert int(first["MASTER_PORT"]) < int(second["MASTER_PORT"])
