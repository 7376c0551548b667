"""Edits of the good templates that each trip one rule."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from hpc_constructs.rules.finding import CHECKS

Spoil = Callable[[Any], Any]


class Cases:
    """The cases of a module of checks."""

    def __init__(self, module: ModuleType) -> None:
        self.rules = {rule for rule, function in CHECKS.items() if function.__module__ == module.__name__}
        self.all: list[tuple[str, Spoil]] = []

    def trips(self, rule: str) -> Callable[[Spoil], Spoil]:
        """Make the function, which edits templates, a case of the rule."""

        def add(spoil: Spoil) -> Spoil:
            self.all.append((rule, spoil))
            return spoil

        return add

    @property
    def each(self) -> pytest.MarkDecorator:
        return pytest.mark.parametrize(
            ("rule", "spoil"), [pytest.param(*case, id=f"{case[0]} {case[1].__name__}") for case in self.all]
        )

    def complete(self) -> bool:
        """Whether every check of the module has a case."""
        return {rule for rule, _ in self.all} == self.rules != set()
