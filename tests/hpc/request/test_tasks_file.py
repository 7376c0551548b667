from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.request.tasks_file import BadRow, TasksFile

# csv cannot carry a NUL, and JSON text no lone surrogate: neither can a shell argument
CELL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
NAMES = st.lists(st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True), min_size=1, max_size=4, unique=True)


def _write(folder: Path, name: str, text: str) -> TasksFile:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return TasksFile(path)


def test_a_csv_row_is_a_task(tmp_path: Path) -> None:
    file = _write(tmp_path, "t.csv", 'alpha,note\n1,"a, b"\n\n2,"line\nbreak"\n')
    assert list(file.rows()) == [{"alpha": "1", "note": "a, b"}, {"alpha": "2", "note": "line\nbreak"}]
    found = file.scan()
    assert (found.rows, found.chosen, found.complaints) == (2, 2, ())


def test_a_tsv_row_is_a_task_and_a_byte_order_mark_is_not_part_of_a_name(tmp_path: Path) -> None:
    file = _write(tmp_path, "t.tsv", "\ufeffalpha\tbeta\n1\t2\n")
    assert list(file.rows()) == [{"alpha": "1", "beta": "2"}]


def test_a_json_line_is_a_task_and_numbers_are_written_as_in_json(tmp_path: Path) -> None:
    file = _write(tmp_path, "t.jsonl", '{"a": 0.1, "b": "x"}\n{"b": true, "a": null}\n')
    assert list(file.rows()) == [{"a": "0.1", "b": "x"}, {"b": "true", "a": "null"}]


def test_every_bad_row_is_named_with_its_line(tmp_path: Path) -> None:
    found = _write(tmp_path, "t.csv", "a,b\n1\n1,2\n1,2,3\n").scan()
    complaints = found.complaints
    assert found.rows == 3
    assert [complaint.split(": ", 1)[0].rpartition(":")[2] for complaint in complaints] == ["2", "4"]
    assert "1 cells given, the header has 2 columns" in complaints[0]


def test_only_the_first_complaints_are_shown(tmp_path: Path) -> None:
    complaints = _write(tmp_path, "t.csv", "a,b\n" + "1\n" * 50).scan().complaints
    assert len(complaints) == 11
    assert "40 more" in complaints[-1]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("t.txt", "a\n1\n", ".csv, .tsv, .jsonl"),
        ("t.csv", "", "has no task"),
        ("t.csv", "a,b\n", "has no task"),
        ("t.csv", "a b,c\n1,2\n", "'a b' in the header"),
        ("t.csv", "a,a\n1,2\n", "occurs twice"),
        ("t.csv", 'a\n"1\n', "not readable as a table"),
        ("t.jsonl", "{\n", "not JSON"),
        ("t.jsonl", "[1]\n", "not a JSON object"),
        ("t.jsonl", '{"a": 1}\n{"b": 1}\n', "columns b given, the first line has a"),
    ],
)
def test_a_file_that_is_no_tasks_file_is_refused_in_words(tmp_path: Path, name: str, text: str, words: str) -> None:
    complaints = _write(tmp_path, name, text).scan().complaints
    assert words in " ".join(complaints)


def test_a_missing_file_is_a_complaint_and_no_traceback(tmp_path: Path) -> None:
    found = TasksFile(tmp_path / "none.csv").scan()
    assert found.rows == 0
    assert "cannot be read" in found.complaints[0]


def test_reading_a_bad_row_names_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(BadRow, match=r"t\.csv:2: "):
        list(_write(tmp_path, "t.csv", "a,b\n1\n").rows())


@given(NAMES.flatmap(lambda names: st.tuples(st.just(names), st.lists(st.tuples(*[CELL] * len(names)), min_size=1))))
def test_what_csv_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, table: tuple[list[str], list[tuple[str, ...]]]
) -> None:
    names, cells = table
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(names)
        writer.writerows(cells)
    assert list(TasksFile(path).rows()) == [dict(zip(names, row, strict=True)) for row in cells]


@given(st.binary(max_size=200), st.sampled_from(["t.csv", "t.tsv", "t.jsonl"]))
def test_no_bytes_make_a_traceback(tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str) -> None:
    path = tmp_path_factory.mktemp("bytes") / name
    path.write_bytes(data)
    found = TasksFile(path).scan()
    assert found.complaints or found.rows
    if not found.complaints:
        assert all(json.dumps(row) for row in TasksFile(path).rows())


@pytest.mark.parametrize("cell", ["a\\u0000b", "half \\ud83d pair"])
def test_a_cell_that_no_command_can_be_given_is_named(tmp_path: Path, cell: str) -> None:
    (complaint,) = _write(tmp_path, "t.jsonl", f'{{"a": "{cell}"}}\n').scan().complaints
    assert "t.jsonl:1: column a: holds a NUL or half a surrogate pair" in complaint


def test_text_that_only_looks_like_such_a_cell_is_taken(tmp_path: Path) -> None:
    file = _write(tmp_path, "t.csv", "a\n\\u0000 \\ud83d 😀\n")
    assert file.scan().complaints == ()
    assert list(file.rows()) == [{"a": "\\u0000 \\ud83d 😀"}]
