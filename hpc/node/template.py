"""`{column}` in a command stands for the value of that column in the task's row; `{{` and `}}` are braces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from string import Formatter
from typing import NoReturn


def columns(text: str) -> set[str]:
    """Return the names of the columns that the text uses.

    Raises:
        ValueError: a brace stands alone, or something else than a name is inside.
    """
    return {name for _, name in _parts(text) if name is not None}


def fill(text: str, row: Mapping[str, object]) -> str:
    """Return the text with each `{column}` replaced by the row's value.

    Raises:
        ValueError: the text is malformed, or names a column that the row does not have.
    """
    result: list[str] = []
    for literal, name in _parts(text):
        result.append(literal)
        if name is None:
            continue
        if name not in row:
            raise ValueError(f"no column {name!r} in the tasks file; it has: {', '.join(row) or 'none'}")
        value = row[name]
        result.append(value if isinstance(value, str) else json.dumps(value))
    return "".join(result)


def _parts(text: str) -> list[tuple[str, str | None]]:
    parts: list[tuple[str, str | None]] = []
    try:
        for literal, name, spec, conversion in Formatter().parse(text):
            plain = name != "" and not spec and not conversion
            parts.append((literal, name) if plain else _refuse())
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}; write {{{{ or }}}} for a brace itself") from None
    return parts


def _refuse() -> NoReturn:
    raise ValueError("expected the name of a column between { and }")
