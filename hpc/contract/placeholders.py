"""Placeholders in a command: the grammar that the submitter checks and the container applies.

`{name}` is the value of column `name`; `{{` and `}}` are literal braces; any other brace is literal too, so that awk
programs and JSON pass through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

NAME = r"[A-Za-z_][A-Za-z0-9_.-]*"
"""Name of a plain column."""
_TOKEN = re.compile(r"\{\{|\}\}|\{(" + NAME + r")\}")


ROLES = ("--setenv", "--input", "--output")
"""Roles of columns that are not plain values, as in dsub's tasks files
(https://github.com/DataBiosphere/dsub#submitting-a-batch-job)."""


class Column(NamedTuple):
    """A parsed header of a tasks file."""

    role: str | None
    """One of ROLES; None for a plain column, the value of `{name}` in the command."""
    name: str


def parse(header: str) -> Column | None:
    """Parse a header: `alpha`, `--setenv NAME`, `--input NAME`, `--output NAME`; return None for anything else."""
    role, _, name = header.partition(" ")
    column = Column(role, name.strip()) if role in ROLES else Column(None, header)
    grammar = r"[A-Za-z_][A-Za-z0-9_]*" if column.role else NAME
    return column if re.fullmatch(grammar, column.name) else None


def plain(row: Mapping[str, str]) -> dict[str, str]:
    """Return the cells that `{column}` can name."""
    return {name: value for name, value in row.items() if not name.startswith("--")}


def with_role(row: Mapping[str, str], role: str) -> dict[str, str]:
    """Return the cells of the columns with a role, by the name in the header."""
    return {
        header.partition(" ")[2].strip(): value for header, value in row.items() if header.partition(" ")[0] == role
    }


def named_in(arguments: Iterable[str]) -> list[str]:
    """Return the columns that a command refers to, without duplicates, in order."""
    names = (match[1] for argument in arguments for match in _TOKEN.finditer(argument))
    return list(dict.fromkeys(name for name in names if name))


def substitute(argument: str, row: Mapping[str, str]) -> str:
    """Return the argument with every `{column}` replaced from the row.

    Raises:
        KeyError: the row has no such column.
    """

    def value(match: re.Match[str]) -> str:
        return row[match[1]] if match[1] else match[0][0]

    return _TOKEN.sub(value, argument)
