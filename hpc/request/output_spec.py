"""What `--output` asks for: a name, a name with a destination, or a pattern."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from hpc.contract import placeholders

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class OutputSpec:
    """One output; it has a name or a pattern."""

    name: str = ""
    destination: str | None = None
    """`s3://bucket/key`, with a name only; a folder's files go below it, and what ends in `/` takes a file too."""
    pattern: str = ""


def parse(text: str) -> OutputSpec:
    """Read what stands after `--output`; `check` says what is wrong with it."""
    name, equals, destination = text.partition("=")
    if VARIABLE.fullmatch(name):
        return OutputSpec(name=name, destination=destination if equals else None)
    return OutputSpec(pattern=text)


def check_file_name(name: str) -> Iterator[str]:
    """Yield what is wrong with the name that a row gives to the file or folder of an output."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or name.endswith("/"):
        yield f"{name!r}: give a file name, as in fit/a.txt, or s3://bucket/key"


def columns_of(destination: str) -> list[str]:
    """Return the columns of the tasks file that a destination names."""
    return placeholders.named_in([destination])


def clash_check(outputs: Iterable[str]) -> Callable[[dict[str, str]], Iterator[str]]:
    """Return a check that, given one row of a tasks file after the other, finds those that write the same object.

    Of what was seen a number of 64 bits is kept: a million rows take some 60 MB.
    """
    fixed = [wanted for wanted in map(parse, outputs) if wanted.destination]
    seen = set[int]()

    def check_row(row: dict[str, str]) -> Iterator[str]:
        plain = placeholders.plain(row)
        try:
            found = [(wanted.name, placeholders.substitute(wanted.destination or "", plain)) for wanted in fixed]
        except KeyError:  # said of the whole file, once
            return
        cells = placeholders.with_role(row, "--output").items()
        for name, uri in [*found, *((name, cell) for name, cell in cells if cell.startswith("s3://"))]:
            number = hash(uri + name if uri.endswith("/") else uri)
            if number in seen:
                yield f"--output {name}: {uri} is where an earlier row writes too; each row needs a place of its own"
            seen.add(number)

    return check_row


def check(text: str) -> Iterator[str]:
    wanted = parse(text)
    flag = f"--output {text}"
    if wanted.destination is not None:
        bucket, _, key = wanted.destination.removeprefix("s3://").partition("/")
        if not wanted.destination.startswith("s3://") or not bucket or not key:
            yield f"{flag}: write NAME=s3://bucket/key"
    if wanted.pattern:
        path = PurePosixPath(wanted.pattern)
        if path.is_absolute() or ".." in path.parts:
            yield f"{flag}: a pattern is relative to the command's working directory and stays in it"
    elif not wanted.name:
        yield "--output '': give a name or a pattern"
