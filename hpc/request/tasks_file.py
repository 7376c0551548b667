"""Tasks files: one row a task, columns that the command names. Read as a stream, so that size costs no memory."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from hpc.contract import placeholders
from hpc.contract.placeholders import Column
from hpc.contract.task_layout import Range
from hpc.request import index_ranges

_SUFFIXES = (".csv", ".tsv", ".jsonl")
_MOST_COMPLAINTS = 10
_HEADER = (
    "columns are NAME, --setenv NAME, --input NAME, --output NAME, each once; a plain one is letters, digits, _ . -"
)

CheckCell = Callable[[Column, str], Iterable[str]]
"""Yields what is wrong with a cell of a column that has a role."""
CheckRow = Callable[[dict[str, str]], Iterable[str]]
"""Yields what is wrong with a row, given the rows before it."""


class BadRow(ValueError):  # noqa: N818
    """A row that cannot be a task; the message names file and line."""


@dataclass(frozen=True)
class Scan:
    """What one pass over a tasks file finds."""

    rows: int
    """Of the file."""
    chosen: int
    """Of the run: all of them, but where `--only` chose some."""
    columns: tuple[Column, ...]
    complaints: tuple[str, ...]
    """The first ten."""
    size: int
    """Bytes of the chosen rows as they are sent."""
    sha256: str
    """Of the chosen rows as they are sent."""


@dataclass(frozen=True)
class TasksFile:
    """A CSV or TSV file with a header, or JSON Lines (one object a line)."""

    path: Path

    def rows(self) -> Iterator[dict[str, str]]:
        """Yield the tasks in order; a key is the header's own text.

        Raises:
            BadRow: at the first row that is not right; `scan` lists them all.
            OSError: the file cannot be read.
        """
        for line, row in self._numbered():
            if isinstance(row, str):
                raise BadRow(f"{self.path}:{line}: {row}")
            yield row

    def lines(self, only: Sequence[Range] | None = None) -> Iterator[bytes]:
        """Yield the chosen tasks as they are sent: one JSON object a line.

        Raises:
            BadRow, OSError: as `rows`.
        """
        chosen = index_ranges.selector(only)
        return (_encode(row) for number, row in enumerate(self.rows()) if chosen(number))

    def scan(
        self,
        only: Sequence[Range] | None = None,
        check: CheckCell = lambda _column, _cell: (),
        check_row: CheckRow = lambda _row: (),
    ) -> Scan:
        """Check, count and hash the rows in one pass."""
        if self.path.suffix not in _SUFFIXES:
            return _nothing(f"--tasks {self.path}: the name must end in {', '.join(_SUFFIXES)}")
        count = chosen_count = size = 0
        header: tuple[Column, ...] | None = None
        complaints, chosen, digest = list[str](), index_ranges.selector(only), hashlib.sha256()
        try:
            for line, row in self._numbered():
                found = [row] if isinstance(row, str) else []
                if not isinstance(row, str):
                    if header is None:
                        header = tuple(column for name in row if (column := placeholders.parse(name)))
                    if chosen(count):
                        encoded = _encode(row)
                        found = [*_not_an_argument(encoded, row)] or [*_cells(header, row, check), *check_row(row)]
                        size += len(encoded)
                        chosen_count += 1
                        digest.update(encoded)
                if found:
                    complaints.append(f"{self.path}:{line}: {'; '.join(found)}")
                count += 1
        except (OSError, UnicodeDecodeError) as error:
            return _nothing(f"--tasks {self.path}: cannot be read: {error}")
        if not count and not complaints:
            complaints.append(f"--tasks {self.path}: has no task; write one row a task below the header")
        if len(complaints) > _MOST_COMPLAINTS:
            complaints[_MOST_COMPLAINTS:] = [f"{self.path}: and {len(complaints) - _MOST_COMPLAINTS} more rows"]
        return Scan(count, chosen_count, header or (), tuple(complaints), size, digest.hexdigest())

    def _numbered(self) -> Iterator[tuple[int, dict[str, str] | str]]:
        """Yield line number and row, or line number and complaint."""
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            if self.path.suffix == ".jsonl":
                yield from _json_rows(file)
            else:
                yield from _table_rows(file, "\t" if self.path.suffix == ".tsv" else ",")


def _nothing(complaint: str) -> Scan:
    return Scan(0, 0, (), (complaint,), 0, "")


def _encode(row: dict[str, str]) -> bytes:
    return json.dumps(row).encode() + b"\n"


def _cells(header: tuple[Column, ...], row: dict[str, str], check: CheckCell) -> Iterator[str]:
    for column, cell in zip(header, row.values(), strict=True):
        if column.role is not None:
            yield from check(column, cell)


def _not_an_argument(encoded: bytes, row: dict[str, str]) -> Iterator[str]:
    """Yield why no process could get a cell of this row as an argument or variable."""
    if b"\\u0000" not in encoded and b"\\ud" not in encoded:  # as JSON writes what is looked for
        return
    for name, value in row.items():
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            yield f"column {name}: holds a NUL or half a surrogate pair, which no command can be given"


def _check_header(names: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the columns."""
    parsed = [placeholders.parse(name) for name in names]
    yield from (f"column {name!r} in the header; {_HEADER}" for name in names if placeholders.parse(name) is None)
    if None not in parsed and len(set(parsed)) < len(parsed):
        yield f"a column name that occurs twice; {_HEADER}"


def _table_rows(file: Iterator[str], delimiter: str) -> Iterator[tuple[int, dict[str, str] | str]]:
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    try:
        header = next((cells for cells in reader if cells), list[str]())
        if complaints := list(_check_header(header)):
            yield reader.line_num, "; ".join(complaints)
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
        except (ValueError, RecursionError) as error:
            yield number, f"not JSON: {error}"
            continue
        if not isinstance(row, dict):
            yield number, 'not a JSON object; write {"column": value, ...} on each line'
            continue
        typed = cast("dict[str, object]", row)
        if first is None:
            if complaints := list(_check_header(list(typed))):
                yield number, "; ".join(complaints)
                return
            first = list(typed)
        if set(typed) != set(first):
            yield number, f"columns {', '.join(typed)} given, the first line has {', '.join(first)}"
        else:
            yield number, {name: _text(typed[name]) for name in first}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
