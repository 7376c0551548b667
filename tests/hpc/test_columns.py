from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.columns import is_column_name, named_in, substitute


def test_columns_are_replaced_by_the_rows_values() -> None:
    assert substitute("--alpha={alpha} {beta}", {"alpha": "1", "beta": "{x}"}) == "--alpha=1 {x}"


def test_other_braces_stand_for_themselves() -> None:
    for text in ("awk '{print $1}'", '{"a": 1}', "{}", "{", "}", "{ alpha }"):
        assert substitute(text, {}) == text
    assert named_in(["awk '{print $1}'", "{}"]) == []


def test_doubled_braces_are_literal() -> None:
    assert substitute("${{HOME}}/{a}", {"a": "1"}) == "${HOME}/1"


def test_a_column_that_the_row_lacks_is_an_error() -> None:
    with pytest.raises(KeyError):
        substitute("{gamma}", {"alpha": "1"})


def test_the_columns_of_a_command_are_named_once_in_order() -> None:
    assert named_in(["{b}", "{a}{b}", "{{c}}"]) == ["b", "a"]


@given(st.text())
def test_text_with_doubled_braces_comes_back_as_it_was(text: str) -> None:
    assert substitute(text.replace("{", "{{").replace("}", "}}"), {}) == text


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True), st.text(), max_size=4))
def test_any_value_arrives_unchanged(row: dict[str, str]) -> None:
    assert all(is_column_name(name) for name in row)
    assert [substitute(f"{{{name}}}", row) for name in row] == list(row.values())
