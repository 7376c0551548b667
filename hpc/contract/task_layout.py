"""Mapping between the tasks of a run and the children of its Batch jobs, shared by client and container.

Standard library only: the container imports it before the user's command starts.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TASK_OFFSET = struct.Struct("<Q")
"""A byte offset in a run's `tasks_index`: unsigned 64 bits, little-endian."""

Range = tuple[int, int]
"""First and last number, both inclusive."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Assignment of a run's tasks to the children of its Batch jobs.

    A task has a *position*: 0, 1, 2 ... without gaps, in the run's order; and an *index*, its number in the tasks file
    or in `--array`. They differ if `--only` selects some of the tasks.
    """

    parts: tuple[tuple[int, int], ...]
    """First position and number of tasks of each Batch job."""
    pack: int = 1
    """Tasks that one child runs, one after the other; the last child of a part may have fewer."""
    only: tuple[Range, ...] | None = None
    """Indexes of the run, in ascending order; None if every position equals its index."""

    def to_json(self) -> dict[str, Any]:
        """Return the keys of request.json that describe the layout."""
        parts = [{"offset": offset, "size": size} for offset, size in self.parts]
        only = {} if self.only is None else {"only": [list(item) for item in self.only]}
        return {"parts": parts, "pack": self.pack, **only}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Layout:
        """Read the layout from a request.json.

        Raises:
            ValueError, KeyError, TypeError: it does not match the contract.
        """
        return cls(
            parts=tuple((int(part["offset"]), int(part["size"])) for part in raw["parts"]),
            pack=int(raw.get("pack") or 1),
            only=tuple((int(first), int(last)) for first, last in raw["only"]) if raw.get("only") else None,
        )

    def children(self, part: int) -> int:
        """Return the number of children of a part's job; a job with one child is not an array job."""
        return -(-self.parts[part][1] // self.pack)

    def positions(self, part: int, child: int) -> range:
        """Return the positions that a child runs.

        Raises:
            IndexError: the part or child does not exist.
        """
        offset, size = self.parts[part]
        if not 0 <= child < self.children(part):
            raise IndexError(f"child {child} does not exist: part {part} has {self.children(part)} children, from 0")
        first = offset + child * self.pack
        return range(first, min(first + self.pack, offset + size))

    def index(self, position: int) -> int:
        """Return the index of the task at a position.

        Raises:
            IndexError: the position does not exist.
        """
        if self.only is None:
            return position
        offset = position
        for first, last in self.only:
            if offset <= last - first:
                return first + offset
            offset -= last - first + 1
        raise IndexError(f"position {position} does not exist in this run")

    def position(self, index: int) -> int | None:
        """Return the position of the task with an index; None if the run does not include it."""
        if self.only is None:
            return index
        before = 0
        for first, last in self.only:
            if first <= index <= last:
                return before + index - first
            before += last - first + 1
        return None

    def find(self, index: int) -> tuple[int, int] | None:
        """Return the part and child that run the task with an index; None if the run does not include it."""
        position = self.position(index)
        for part, (offset, size) in enumerate(self.parts):
            if position is not None and offset <= position < offset + size:
                return part, (position - offset) // self.pack
        return None
