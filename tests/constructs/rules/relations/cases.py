"""Edits of the good templates that each trip one rule: functions marked with `trips` in the modules of this folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Spoil = Callable[[Any], Any]

CASES: list[tuple[str, Spoil]] = []
"""Rule and edit."""


def trips(rule: str) -> Callable[[Spoil], Spoil]:
    """Make the function, which edits templates, a case of the rule."""

    def add(spoil: Spoil) -> Spoil:
        CASES.append((rule, spoil))
        return spoil

    return add
