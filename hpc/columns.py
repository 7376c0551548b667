"""`{column}` in a command: the one grammar that the submitter checks and the container applies.

`{name}` is the value of column `name`; `{{` and `}}` are literal braces; any other brace stands for itself,
so that awk programs and JSON pass through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

NAME = r"[A-Za-z_][A-Za-z0-9_.-]*"
_TOKEN = re.compile(r"\{\{|\}\}|\{(" + NAME + r")\}")


def is_column_name(text: str) -> bool:
    return re.fullmatch(NAME, text) is not None


def named_in(arguments: Iterable[str]) -> list[str]:
    """Return the columns that a command names, each once, in order."""
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
