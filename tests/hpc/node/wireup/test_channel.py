"""Framing and authentication of the connection between nodes."""

from __future__ import annotations

import itertools
import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.node.wireup.channel import LIMIT, Channel, Lines, PeerLost, encode, nonce, proof, proves

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)
MESSAGES = st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=6)


@given(messages=MESSAGES, cuts=st.lists(st.integers(0, 400), max_size=8))
def test_messages_arrive_whole_however_the_bytes_are_cut(messages: list[dict[str, object]], cuts: list[int]) -> None:
    data = b"".join(encode(message) for message in messages)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    lines = Lines()
    received = [message for start, end in itertools.pairwise(edges) for message in lines.feed(data[start:end])]
    assert received == messages


@given(st.binary(max_size=300))
def test_any_bytes_give_messages_or_are_refused(data: bytes) -> None:
    try:
        messages = Lines().feed(data + b"\n")
    except PeerLost:
        return
    assert all(isinstance(message, dict) for message in messages)


def test_a_line_without_end_is_not_kept() -> None:
    lines = Lines()
    lines.feed(b"x" * LIMIT)
    with pytest.raises(PeerLost, match="more than"):
        lines.feed(b"x")


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(PeerLost):
        Lines().feed(b"[" * 200_000 + b"\n")


def test_only_the_right_token_role_and_challenge_prove() -> None:
    challenge = nonce()
    answer = proof("token", "node 1", challenge)
    assert proves(answer, "token", "node 1", challenge)
    assert not proves(answer, "other", "node 1", challenge)
    assert not proves(answer, "token", "node 2", challenge)
    assert not proves(answer, "token", "node 1", nonce())
    assert not proves(None, "token", "node 1", challenge)
    assert not proves("ä", "token", "node 1", challenge)
    assert "token" not in json.dumps(answer)


def pair() -> tuple[Channel, Channel]:
    one, other = socket.socketpair()
    return Channel(one), Channel(other)


def test_what_comes_with_the_first_message_is_kept() -> None:
    here, there = pair()
    there.beat()
    there.send({"proof": "x"})
    there.send({"reach": {}})
    assert here.receive_one() == {"proof": "x"}
    assert here.take_pending() == [{"reach": {}}]
    assert here.take_pending() == []


def test_a_sign_of_life_never_waits_and_never_spoils_a_message() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    there = Channel(socket.create_connection(listener.getsockname()))
    here = Channel(listener.accept()[0])
    there.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    here.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for _ in range(20_000):  # nobody reads: the buffers are full soon
        there.beat()
    received = here.receive()
    there.send({"end": True})
    while {"end": True} not in received:
        received += here.receive()
    assert 0 < received.count({}) == len(received) - 1 < 20_000
    for sock in (listener, there.sock, here.sock):
        sock.close()


def test_whoever_is_heard_is_not_silent() -> None:
    here, there = pair()
    here.silent_for = 4
    there.beat()
    assert here.receive() == [{}]
    assert here.silent_for == 0
