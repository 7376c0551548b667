"""Differences between two values of a template, down to the smallest that say something."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tools.diff.model import ABSENT, Edit, Path

IDENTITY = ("Key", "Sid", "Name", "Id")
"""Keys by which the items of a list are told apart, so that one more tag is one edit."""
LONGEST = 96
_CDK_EXPORT = re.compile(r":ExportsOutput(Ref|FnGetAtt)")
"""How CDK names exports; the logical id behind it says enough."""
CONTEXT = 14


def edits(old: Any, new: Any, path: Path = ()) -> Iterator[Edit]:
    """Yield what differs."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict) and not (_intrinsic(old) or _intrinsic(new)):
        yield from _of_maps(old, new, path, "{}")
    elif isinstance(old, list) and isinstance(new, list):
        yield from _of_lists(old, new, path)
    else:
        yield Edit(path=path, old=old, new=new)


def _of_maps(old: dict[str, Any], new: dict[str, Any], path: Path, label: str) -> Iterator[Edit]:
    for key in sorted({*old, *new}):
        yield from edits(old.get(key, ABSENT), new.get(key, ABSENT), (*path, label.format(key)))


def _of_lists(old: list[Any], new: list[Any], path: Path) -> Iterator[Edit]:
    for identity in IDENTITY:
        one, two = _by_identity(old, identity), _by_identity(new, identity)
        if one is not None and two is not None:
            found = list(_of_maps(one, two, path, "[{}]"))
            yield from found or [Edit(path=path, old=old, new=new)]
            return
    if len(old) == len(new) and all(isinstance(item, dict) and not _intrinsic(item) for item in (*old, *new)):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from edits(*pair, (*path, f"[{index}]"))
    else:
        yield Edit(path=path, old=old, new=new)


def _by_identity(items: list[Any], identity: str) -> dict[str, Any] | None:
    if not all(isinstance(item, dict) and isinstance(item.get(identity), str) for item in items):
        return None
    found = {item[identity]: item for item in items}
    return found if len(found) == len(items) else None


def _intrinsic(value: dict[str, Any]) -> bool:
    return len(value) == 1 and (next(iter(value)).startswith("Fn::") or "Ref" in value)


def show_path(path: Path) -> str:
    """Return `A.B[0].C`."""
    return ".".join(path).replace(".[", "[")


def show_edit(edit: Edit) -> str:
    """Return the old and the new value, no longer than a line."""
    if isinstance(edit.old, list) and isinstance(edit.new, list):
        return _show_lists([text(item) for item in edit.old], [text(item) for item in edit.new])
    return " → ".join(_shorten(text(edit.old), text(edit.new)))


def _show_lists(old: list[str], new: list[str]) -> str:
    if sorted(old) == sorted(new):
        return " → ".join(_shorten(", ".join(old), ", ".join(new)))
    added = [f"+ {_cut(item)}" for item in new if item not in old]
    return ", ".join([*added, *(f"- {_cut(item)}" for item in old if item not in new)])


def text(value: Any) -> str:
    """Return a value in words; references as `${Resource.Attribute}`."""
    if value is ABSENT:
        return "(none)"
    if isinstance(value, str):
        return value
    return _reference(value) or json.dumps(_spoken(value), ensure_ascii=False, default=str)


def _spoken(value: Any) -> Any:
    if isinstance(value, dict):
        return _reference(value) or {key: _spoken(item) for key, item in value.items()}
    return [_spoken(item) for item in value] if isinstance(value, list) else value


def _reference(value: Any) -> str | None:
    """Return what an intrinsic function stands for; None if the value is none of them."""
    if not isinstance(value, dict) or not _intrinsic(value):
        return None
    ((function, content),) = value.items()
    if function == "Fn::Join":
        return content[0].join(text(item) for item in content[1]) if isinstance(content[1], list) else None
    if function == "Fn::GetAtt":
        return "${" + (content if isinstance(content, str) else ".".join(content)) + "}"
    if function in {"Ref", "Fn::ImportValue"}:
        return "${" + _CDK_EXPORT.sub(":", text(content)) + "}"
    return text(content) if function in {"Fn::Base64", "Fn::Sub"} else None


def _cut(value: str) -> str:
    line = " ".join(value.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def _shorten(old: str, new: str) -> tuple[str, str]:
    """Leave out what two long texts have in common at their ends."""
    old, new = " ".join(old.split()), " ".join(new.split())
    if max(len(old), len(new)) <= LONGEST:
        return old, new
    start = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    room = min(len(old), len(new)) - start
    end = next((i for i in range(room) if old[-1 - i] != new[-1 - i]), room)
    return _middle(old, start, end), _middle(new, start, end)


def _middle(value: str, start: int, end: int) -> str:
    first, last = max(0, start - CONTEXT), min(len(value), len(value) - end + CONTEXT)
    middle = _cut(value[first:last])
    return ("…" if first else "") + middle + ("…" if last < len(value) and not middle.endswith("…") else "")
