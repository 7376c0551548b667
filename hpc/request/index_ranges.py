"""Chosen numbers, as `--only` takes them: `3,7,10-12`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from hpc.contract.task_layout import Range

_ITEM = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)


def parse(text: str) -> tuple[Range, ...]:
    """Read numbers and ranges; the result is in growing order, and nothing is in it twice.

    Raises:
        ValueError: the text is something else; the message says what.
    """
    found = list[Range]()
    for item in text.split(","):
        match = _ITEM.fullmatch(item.strip())
        if not match:
            raise ValueError(f"{item.strip()!r} is no number and no range; write 3,7,10-12")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"{item.strip()!r}: the range ends before it begins")
        found.append((first, last))
    return merge(found)


def merge(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return the same numbers in growing order, in as few ranges as it takes."""
    merged = list[Range]()
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)


def selector(merged: Iterable[Range] | None) -> Callable[[int], bool]:
    """Return a test for numbers in the ranges, which is to be asked with growing numbers; None selects all."""
    if merged is None:
        return lambda _: True
    ranges = iter(merged)
    first, last = next(ranges, (0, -1))

    def selects(number: int) -> bool:
        nonlocal first, last
        while last < number and (following := next(ranges, None)):
            first, last = following
        return first <= number <= last

    return selects


def count(ranges: Iterable[Range]) -> int:
    return sum(last - first + 1 for first, last in ranges)


def show(ranges: Iterable[Range]) -> str:
    """Write ranges as `parse` reads them."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
