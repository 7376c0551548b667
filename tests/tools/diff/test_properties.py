"""Edits are as small as they can be, and in words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.diff.model import ABSENT, Edit
from tools.diff.properties import edits, show_edit, show_path

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["Key", "Ref", "a", "b"]), inner),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_there_are_edits_exactly_where_values_differ(old: Any, new: Any) -> None:
    found = list(edits(old, new))
    assert bool(found) == (old != new)
    assert all(edit.old != edit.new for edit in found)


@given(VALUES, VALUES)
def test_every_edit_can_be_shown_on_a_line(old: Any, new: Any) -> None:
    for edit in edits(old, new):
        shown = show_edit(edit)
        assert len(show_path(edit.path).splitlines()) <= 1
        assert "\n" not in shown


def test_one_more_tag_is_one_edit() -> None:
    old = [{"Key": "b", "Value": "1"}]
    new = [{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "1"}]
    (edit,) = edits({"Tags": old}, {"Tags": new})
    assert show_path(edit.path) == "Tags[a]"
    assert edit.old is ABSENT


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        (["a", "b"], ["a", "c"], "+ c, - b"),
        (["a", "b"], ["b", "a"], "a, b → b, a"),
        (1, 2, "1 → 2"),
        (ABSENT, True, "(none) → true"),
        ({"Ref": "A"}, {"Fn::GetAtt": ["B", "Arn"]}, "${A} → ${B.Arn}"),
        ({"Fn::Join": ["", ["x", {"Ref": "A"}]]}, "y", "x${A} → y"),
        ({"Fn::ImportValue": "S:ExportsOutputRefSubnet1A2B"}, "y", "${S:Subnet1A2B} → y"),
        ({"Fn::ImportValue": "S:E"}, {"Fn::Base64": "z"}, "${S:E} → z"),
    ],
)
def test_values_are_shown_in_words(old: Any, new: Any, shown: str) -> None:
    assert show_edit(Edit(path=("P",), old=old, new=new)) == shown


def test_of_long_texts_only_the_difference_is_shown() -> None:
    before, behind = "a" * 300, "z" * 300
    shown = show_edit(Edit(path=("P",), old=f"{before}one{behind}", new=f"{before}two{behind}"))
    assert shown == f"…{'a' * 14}one{'z' * 14}… → …{'a' * 14}two{'z' * 14}…"
