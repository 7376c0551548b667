"""The rows as they go to S3."""

from __future__ import annotations

import csv
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.contract.s3_keys import RunPaths
from hpc.contract.task_layout import TASK_OFFSET, Range
from hpc.errors import HpcError
from hpc.plan.task_rows import Rows
from hpc.request.tasks_file import TasksFile
from tests.hpc.request.test_tasks_file import CELL, NAMES

PATHS = RunPaths(project="p", run_id="r")
TABLE = NAMES.flatmap(
    lambda names: st.tuples(st.just(names), st.lists(st.tuples(*[CELL] * len(names)), min_size=1, max_size=8))
)


def rows_of(file: TasksFile, only: tuple[Range, ...] | None = None) -> Rows:
    scan = file.scan(only)
    assert scan.complaints == ()
    return Rows(file=file, only=only, count=scan.chosen, size=scan.size, sha256=scan.sha256)


def written(rows: Rows, folder: Path) -> tuple[bytes, list[int]]:
    (lines, lines_key), (index, index_key) = rows.write(folder, PATHS)
    assert (lines_key, index_key) == ("p/runs/r/tasks.jsonl", "p/runs/r/tasks.idx")
    assert rows.upload_bytes == lines.stat().st_size + index.stat().st_size
    return lines.read_bytes(), [offset for (offset,) in TASK_OFFSET.iter_unpack(index.read_bytes())]


@given(table=TABLE, chosen=st.sets(st.integers(0, 7), min_size=1) | st.none())
def test_each_chosen_row_is_where_the_index_says(
    tmp_path_factory: pytest.TempPathFactory, table: tuple[list[str], list[tuple[str, ...]]], chosen: set[int] | None
) -> None:
    names, cells = table
    folder = tmp_path_factory.mktemp("rows")
    path = folder / "t.jsonl"
    path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in cells))
    only = None if chosen is None else tuple((number, number) for number in sorted(chosen))
    rows = rows_of(TasksFile(path), only)
    text, offsets = written(rows, folder)
    found = [json.loads(text[start:stop]) for start, stop in itertools.pairwise(offsets)]
    wanted = [row for number, row in enumerate(cells) if chosen is None or number in chosen]
    assert found == [dict(zip(names, row, strict=True)) for row in wanted]
    assert rows.count == len(wanted)


@given(TABLE)
def test_the_three_formats_give_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, table: tuple[list[str], list[tuple[str, ...]]]
) -> None:
    names, cells = table
    folder = tmp_path_factory.mktemp("formats")
    for name, delimiter in (("t.csv", ","), ("t.tsv", "\t")):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
            writer.writerows([names, *cells])
    lines = (json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in cells)
    (folder / "t.jsonl").write_text("".join(lines))
    found = {name: TasksFile(folder / name).scan() for name in ("t.csv", "t.tsv", "t.jsonl")}
    assert found["t.csv"] == found["t.tsv"] == found["t.jsonl"]
    assert found["t.csv"].rows == len(cells)


def test_a_file_that_changes_after_it_was_checked_is_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n2\n")
    rows = rows_of(TasksFile(path))
    path.write_text("a\n1\n3\n")
    with pytest.raises(HpcError, match="has changed"):
        rows.write(tmp_path, PATHS)
    path.write_text("a\n1\n3,3\n")
    with pytest.raises(HpcError, match=r"t\.csv:3.*has changed"):
        rows.write(tmp_path, PATHS)


def test_a_full_disk_is_reported_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")
    with pytest.raises(HpcError, match="set TMPDIR"):
        rows_of(TasksFile(path)).write(tmp_path / "not there", PATHS)


MEASURED = """
import resource, sys
from pathlib import Path
from hpc.contract.s3_keys import RunPaths
from hpc.plan.task_rows import Rows
from hpc.request.tasks_file import TasksFile
from hpc.contract.task_layout import TASK_OFFSET

file, folder = TasksFile(Path(sys.argv[1])), Path(sys.argv[2])
scan = file.scan()
Rows(file=file, only=None, count=scan.chosen, size=scan.size, sha256=scan.sha256).write(
    folder, RunPaths(project="p", run_id="r")
)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    def peak_kib(rows: int) -> int:
        path = tmp_path / f"{rows}.csv"
        with path.open("w") as file:
            file.write("alpha,beta\n")
            file.writelines(f"{number / 7},value of row {number}\n" for number in range(rows))
        command = [sys.executable, "-c", MEASURED, str(path), str(tmp_path)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert peak_kib(50_000) < 1.1 * peak_kib(1_000)
