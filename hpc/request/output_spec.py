"""Values of `--output`: a name, a name with a destination, or a pattern."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from hpc.contract import placeholders

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class OutputSpec:
    """One output, with a name or a pattern."""

    name: str = ""
    destination: str | None = None
    """`s3://bucket/key`, for a name only; a folder's files go below it, as does a file if it ends in `/`."""
    pattern: str = ""


def parse(text: str) -> OutputSpec:
    """Parse the value of `--output`; `check` validates it."""
    name, equals, destination = text.partition("=")
    if VARIABLE.fullmatch(name):
        return OutputSpec(name=name, destination=destination if equals else None)
    return OutputSpec(pattern=text)


def check_file_name(name: str) -> Iterator[str]:
    """Check the file name that a row gives to an output."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or name.endswith("/"):
        yield f"{name!r}: give a file name, as in fit/a.txt, or s3://bucket/key"


def columns_of(destination: str) -> list[str]:
    """Return the columns of the tasks file that a destination contains."""
    return placeholders.named_in([destination])


def clash_check(outputs: Iterable[str]) -> Callable[[dict[str, str]], Iterator[str]]:
    """Return a check that is called with each row of a tasks file and finds rows that write the same object.

    It keeps a 64-bit hash per destination: a million rows take some 60 MB.
    """
    fixed = [output for output in map(parse, outputs) if output.destination]
    seen = set[int]()

    def check_row(row: dict[str, str]) -> Iterator[str]:
        plain = placeholders.plain(row)
        try:
            uris = [(output.name, placeholders.substitute(output.destination or "", plain)) for output in fixed]
        except KeyError:  # reported once for the whole file
            return
        cells = placeholders.with_role(row, "--output").items()
        for name, uri in [*uris, *((name, cell) for name, cell in cells if cell.startswith("s3://"))]:
            number = hash(uri + name if uri.endswith("/") else uri)
            if number in seen:
                yield f"--output {name}: {uri} is written by an earlier row too; give each row a different destination"
            seen.add(number)

    return check_row


def check(text: str) -> Iterator[str]:
    """Check the syntax of a value of `--output`."""
    output = parse(text)
    flag = f"--output {text}"
    if output.destination is not None:
        bucket, _, key = output.destination.removeprefix("s3://").partition("/")
        if not output.destination.startswith("s3://") or not bucket or not key:
            yield f"{flag}: write NAME=s3://bucket/key"
    if output.pattern:
        path = PurePosixPath(output.pattern)
        if path.is_absolute() or ".." in path.parts:
            yield f"{flag}: a pattern is relative to the command's working directory and must not leave it"
    elif not output.name:
        yield "--output '': give a name or a pattern"
