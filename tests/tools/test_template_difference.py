"""A difference gives the other template back, exactly."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.template_difference import apply, difference

VALUES = st.recursive(
    st.booleans() | st.integers(0, 2) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=4),
    max_leaves=25,
)


@given(base=VALUES, other=VALUES)
def test_base_and_difference_are_the_other(base: Any, other: Any) -> None:
    found = apply(base, difference(base, other, "prod"))
    assert json.dumps(found, sort_keys=True) == json.dumps(other, sort_keys=True)


@pytest.mark.parametrize(
    ("base", "other", "change"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "c": 3}, {"b": None, "c": 3}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 4}}, {"a": {"c": 4}}),
        ({"a": 1}, {"a": True}, {"a": True}),
        (["a" * 20, "b" * 20], ["b" * 20, "new"], ["prod[1:2]", "new"]),
        ([{"a": "a" * 20, "b": 1}], [{"a": "a" * 20, "b": 2}], [{"prod[0]": {"b": 2}}]),
        (["a", "b"], ["b"], ["b"]),
    ],
    ids=["keys", "inside", "true is not 1", "items", "inside an item", "whole, where that is shorter"],
)
def test_it_holds_what_differs(base: Any, other: Any, change: Any) -> None:
    assert difference(base, other, "prod") == change
