"""Framing and proof of the connection between nodes."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.node.wireup.protocol import LIMIT, Lines, Lost, encode, nonce, proof, proves

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
    except Lost:
        return
    assert all(isinstance(message, dict) for message in messages)


def test_a_line_without_end_is_not_kept() -> None:
    lines = Lines()
    lines.feed(b"x" * LIMIT)
    with pytest.raises(Lost, match="more than"):
        lines.feed(b"x")


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(Lost):
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
