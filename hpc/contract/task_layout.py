"""Which child of which Batch job runs which tasks of a run: the arithmetic that client and container share.

Standard library only: the container imports it before the user's command starts.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

TASK_OFFSET = struct.Struct("<Q")
"""A number of bytes in a run's `tasks_index`."""

Range = tuple[int, int]
"""First and last number, both included."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Which child of which Batch job runs which tasks of a run.

    A task has a *position*: 0, 1, 2 ... without gaps, in the order in which the run holds them; and an *index*, its
    number in the tasks file or of `--array`. They differ where `--only` chose some of the numbers.
    """

    parts: tuple[tuple[int, int], ...]
    """First position and number of tasks of each Batch job."""
    pack: int = 1
    """Tasks that one child runs, one after the other; the last child of a part may have fewer."""
    only: tuple[Range, ...] | None = None
    """The indexes of the run, in growing order; None where every position is an index."""

    def children(self, part: int) -> int:
        """Return how many children the job of a part has; a job of one child is no array."""
        return -(-self.parts[part][1] // self.pack)

    def positions(self, part: int, child: int) -> range:
        """Return the positions that a child runs.

        Raises:
            IndexError: there is no such part or child.
        """
        offset, size = self.parts[part]
        if not 0 <= child < self.children(part):
            raise IndexError(f"part {part} has {self.children(part)} children, no child {child}")
        first = offset + child * self.pack
        return range(first, min(first + self.pack, offset + size))

    def index(self, position: int) -> int:
        """Return the index of the task at a position.

        Raises:
            IndexError: the run has no such position.
        """
        if self.only is None:
            return position
        left = position
        for first, last in self.only:
            if left <= last - first:
                return first + left
            left -= last - first + 1
        raise IndexError(f"the run has no position {position}")

    def position(self, index: int) -> int | None:
        """Return where the task of an index stands, None if the run does not have it."""
        if self.only is None:
            return index
        before = 0
        for first, last in self.only:
            if first <= index <= last:
                return before + index - first
            before += last - first + 1
        return None

    def find(self, index: int) -> tuple[int, int] | None:
        """Return part and child that run the task of an index, None if the run does not have it."""
        position = self.position(index)
        for part, (offset, size) in enumerate(self.parts):
            if position is not None and offset <= position < offset + size:
                return part, (position - offset) // self.pack
        return None
