"""Reading YAML into data with lines."""

import pytest

from hpc_constructs.config.yaml_source import read


def test_values_keep_their_lines() -> None:
    source = read("a: 1\nb:\n  c: x\n  d:\n    - 5\n    - y\n")
    assert source.data == {"a": 1, "b": {"c": "x", "d": [5, "y"]}}
    assert [source.line(path) for path in [("a",), ("b", "c"), ("b", "d", 1)]] == [1, 3, 6]


def test_a_path_that_is_not_there_has_the_line_of_what_would_hold_it() -> None:
    source = read("a: 1\nb:\n  c: x\n")
    assert source.line(("b", "nope", 3)) == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-3", -3),
        ("1.5", 1.5),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("yes", "yes"),
        ("'1'", "1"),
        ("012345678901", "012345678901"),
        ("0", 0),
        ("0x10", "0x10"),
        ("2026-11-22", "2026-11-22"),
        ("!!python/object/apply:os.system [id]", ["id"]),
    ],
)
def test_scalars_are_what_yaml_1_2_says(text: str, value: object) -> None:
    assert read(f"a: {text}").data == {"a": value}


def test_every_duplicate_key_is_reported_with_both_lines() -> None:
    source = read("a: 1\nb: 2\na: 3\nb: 4\n")
    assert [problem.given for problem in source.problems] == [
        "'a' a second time, first on line 1",
        "'b' a second time, first on line 2",
    ]
    assert [source.line(problem.path) for problem in source.problems] == [3, 4]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", 3),
        ("a: 1\n\tb: 2\n", 2),
        ("a: 'x\n", 2),
        ("a: 1\n---\nb: 2\n", 2),
        ("- 1\n", 1),
        ("just words", 1),
        ("a: \x00", 1),
        ("[" * 2000, 1),
    ],
)
def test_what_is_no_mapping_is_a_problem_on_its_line(text: str, line: int) -> None:
    source = read(text)
    assert source.problems
    assert source.line(source.problems[0].path) == line


def test_aliases_are_refused_so_that_a_file_cannot_grow_when_read() -> None:
    source = read("a: &x [1]\nb: *x\n")
    assert [problem.given for problem in source.problems] == ["a YAML alias"]


def test_an_alias_of_itself_ends() -> None:
    assert read("a: &x [*x]\n").problems


def test_a_key_that_is_no_word_is_refused() -> None:
    assert [problem.given for problem in read("? [1, 2]\n: x\n").problems] == ["a key that is not a word"]
