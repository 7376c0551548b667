"""Sentences that several complaints share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown(flag: str, given: str, allowed: Iterable[str], what: str) -> str:
    """Word the complaint about a name that does not exist, with the nearest one that does."""
    names = sorted(allowed)
    close = difflib.get_close_matches(given, names, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{flag} {given}: no such {what}; there is {', '.join(names) or 'none'}{hint}"
