"""Differences between two templates, as a value that reads like a template.

A mapping holds the keys that differ; `null` is a key that is absent. A list is written whole, or, where that is
shorter, with references to the base's items: `prod[0:2]` for those that are the same, `prod[3]: ...` for what differs
in one of them. `apply` gives the second template back.
"""

from __future__ import annotations

import json
import re
from difflib import SequenceMatcher
from typing import Any

ITEMS = re.compile(r"[a-z0-9-]+\[(\d+)(?::(\d+))?\]")


def difference(base: Any, other: Any, name: str) -> Any:
    """Return what to change in `base` to get `other`; `name` is that of the base."""
    match base, other:
        case dict(), dict():
            return {
                key: difference(base[key], other[key], name) if key in base and key in other else other.get(key)
                for key in sorted({*base, *other})
                if key not in base or key not in other or _text(base[key]) != _text(other[key])
            }
        case list(), list():
            return min(other, _items(base, other, name), key=lambda found: len(_text(found)))
        case _:
            return other


def apply(base: Any, change: Any) -> Any:
    """Return what `difference` was given as `other`."""
    match change:
        case dict():
            result = dict(base) if isinstance(base, dict) else {}
            for key, value in change.items():
                if value is None:
                    result.pop(key, None)
                else:
                    result[key] = apply(result.get(key), value)
            return result
        case list():
            return [item for entry in change for item in _listed(base, entry)]
        case _:
            return change


def _items(base: list[Any], other: list[Any], name: str) -> list[Any]:
    result: list[Any] = []
    matcher = SequenceMatcher(None, [_text(item) for item in base], [_text(item) for item in other], autojunk=False)
    for what, start, end, first, last in matcher.get_opcodes():
        if what == "equal":
            result.append(f"{name}[{start}:{end}]")
        elif what == "replace" and end - start == last - first:
            pairs = zip(range(start, end), other[first:last], strict=True)
            result += [_item(base[number], item, f"{name}[{number}]", name) for number, item in pairs]
        elif what != "delete":
            result += other[first:last]
    return result


def _item(base: Any, other: Any, reference: str, name: str) -> Any:
    alike = isinstance(other, dict | list) and type(base) is type(other)
    return {reference: difference(base, other, name)} if alike else other


def _listed(base: Any, entry: Any) -> list[Any]:
    """Return the items that an entry of a list stands for."""
    match entry:
        case str() if found := ITEMS.fullmatch(entry):
            return base[int(found[1]) : int(found[2])]
        case dict() if len(entry) == 1 and (found := ITEMS.fullmatch(next(iter(entry)))):
            return [apply(base[int(found[1])], *entry.values())]
        case _:
            return [apply(None, entry)]


def _text(value: Any) -> str:
    """Return JSON, in which true and 1 differ."""
    return json.dumps(value, sort_keys=True)
