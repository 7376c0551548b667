"""Decorator that makes a function the check of a rule, with the rule's id in each of its findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from hpc_constructs.config.models import Environment
from hpc_constructs.config.problems import Problem

Find = Callable[[Environment], Iterator[Problem]]


@dataclass(frozen=True)
class Check:
    """A rule of `docs/rules.md` about a whole environment."""

    rule: str
    find: Find

    def __call__(self, environment: Environment) -> Iterator[Problem]:
        """Yield problems."""
        return (replace(problem, rule=self.rule) for problem in self.find(environment))


def check(rule: str) -> Callable[[Find], Check]:
    """Make the function the check of a rule of the catalogue."""
    return partial(Check, rule)
