from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.contract.placeholders import Column, named_in, parse, plain, substitute, with_role


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
    assert all(parse(name) == Column(None, name) for name in row)
    assert [substitute(f"{{{name}}}", row) for name in row] == list(row.values())


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("alpha", (None, "alpha")),
        ("--setenv SEED", ("--setenv", "SEED")),
        ("--input MESH", ("--input", "MESH")),
        ("--input  MESH", ("--input", "MESH")),
        ("--output RESULT", ("--output", "RESULT")),
        ("--env SEED", None),
        ("--setenv", None),
        ("--setenv my-seed", None),
        ("a b", None),
        ("", None),
    ],
)
def test_a_header_says_what_its_column_is_for(header: str, column: tuple[str | None, str] | None) -> None:
    assert parse(header) == column


def test_a_row_is_taken_apart_by_the_roles_of_its_columns() -> None:
    row = {"alpha": "1", "--setenv SEED": "7", "--input  MESH": "s3://b/k"}
    assert plain(row) == {"alpha": "1"}
    assert with_role(row, "--setenv") == {"SEED": "7"}
    assert with_role(row, "--input") == {"MESH": "s3://b/k"}
