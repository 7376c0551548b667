"""Tasks files: one row a task, columns that the command names. Read as a stream, so that size costs no memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from hpc import columns

_SUFFIXES = (".csv", ".tsv", ".jsonl")
_MOST_COMPLAINTS = 10


class BadRow(ValueError):  # noqa: N818
    """A row that cannot be a task; the message names file and line."""


@dataclass(frozen=True)
class TasksFile:
    """A CSV or TSV file with a header, or JSON Lines (one object a line)."""

    path: Path

    def rows(self) -> Iterator[dict[str, str]]:
        """Yield the tasks in order.

        Raises:
            BadRow: at the first row that is not right; `check` lists them all.
            OSError: the file cannot be read.
        """
        for line, row in self._numbered():
            if isinstance(row, str):
                raise BadRow(f"{self.path}:{line}: {row}")
            yield row

    def columns(self) -> list[str]:
        """Return the columns, as the header or the first JSON object names them."""
        for _, row in self._numbered():
            if not isinstance(row, str):
                return list(row)
        return []

    def check(self) -> tuple[int, list[str]]:
        """Return how many tasks the file has and what is wrong with it (the first ten complaints)."""
        if self.path.suffix not in _SUFFIXES:
            return 0, [f"--tasks {self.path}: the name must end in {', '.join(_SUFFIXES)}"]
        count, complaints = 0, list[str]()
        try:
            for line, row in self._numbered():
                if isinstance(row, str):
                    complaints.append(f"{self.path}:{line}: {row}")
                count += 1
        except (OSError, UnicodeDecodeError) as error:
            return 0, [f"--tasks {self.path}: cannot be read: {error}"]
        if not count and not complaints:
            complaints.append(f"--tasks {self.path}: has no task; write one row a task below the header")
        if len(complaints) > _MOST_COMPLAINTS:
            complaints[_MOST_COMPLAINTS:] = [f"{self.path}: and {len(complaints) - _MOST_COMPLAINTS} more rows"]
        return count, complaints

    def _numbered(self) -> Iterator[tuple[int, dict[str, str] | str]]:
        """Yield line number and row, or line number and complaint."""
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            if self.path.suffix == ".jsonl":
                yield from _json_rows(file)
            else:
                yield from _table_rows(file, "\t" if self.path.suffix == ".tsv" else ",")


def _table_rows(file: Iterator[str], delimiter: str) -> Iterator[tuple[int, dict[str, str] | str]]:
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    try:
        header = next((cells for cells in reader if cells), list[str]())
        bad = [name for name in header if not columns.is_column_name(name)]
        if bad or len(set(header)) != len(header):
            what = f"column {bad[0]!r}" if bad else "a column name that is there twice"
            yield reader.line_num, f"{what} in the header; columns are letters, digits, _ . -, each once"
            return
        for cells in reader:
            if not cells:
                continue
            if len(cells) == len(header):
                yield reader.line_num, dict(zip(header, cells, strict=True))
            else:
                yield reader.line_num, f"{len(cells)} cells given, the header has {len(header)} columns"
    except csv.Error as error:
        yield reader.line_num, f"not readable as a table: {error}"


def _json_rows(file: Iterator[str]) -> Iterator[tuple[int, dict[str, str] | str]]:
    first: list[str] | None = None
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row: object = json.loads(line)
        except ValueError as error:
            yield number, f"not JSON: {error}"
            continue
        if not isinstance(row, dict):
            yield number, 'not a JSON object; write {"column": value, ...} on each line'
            continue
        typed = cast("dict[str, object]", row)
        first = first if first is not None else list(typed)
        if set(typed) != set(first):
            yield number, f"columns {', '.join(typed)} given, the first line has {', '.join(first)}"
        else:
            yield number, {name: v if isinstance(v, str) else json.dumps(v) for name, v in typed.items()}
