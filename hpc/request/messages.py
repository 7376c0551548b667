"""Phrases that several complaints share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def unknown(flag: str, given: str, allowed: Iterable[str], what: str) -> str:
    """Return the complaint about an unknown name, with the closest known one."""
    names = sorted(allowed)
    close = difflib.get_close_matches(given, names, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{flag} {given}: no such {what}; there is {', '.join(names) or 'none'}{hint}"


def arrays(sizes: Sequence[int]) -> str:
    """Describe the array sizes of a run: `arrays of 10,000, 10,000 and 500 children`."""
    if list(sizes) == [1]:
        return "a single job"
    listed = [f"{size:,}" for size in sizes]
    if len(listed) == 1:
        return f"an array of {listed[0]} children"
    return f"arrays of {', '.join(listed[:-1])} and {listed[-1]} children"
