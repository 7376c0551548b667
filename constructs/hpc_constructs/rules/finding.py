"""Findings of rules, and the decorator that makes a function the check of a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hpc_constructs.rules.batch_model import Platform
from hpc_constructs.rules.templates import Resource


@dataclass(frozen=True)
class Finding:
    """A violation of a rule."""

    rule: str
    resource: Resource
    detail: str = ""
    """Details, in addition to the rule's cause."""
    location: str = ""
    """Path below the resource, such as `Properties.ComputeResources.Subnets`."""


Hit = tuple[Resource, str, str]
"""Resource, details, path below the resource."""
Check = Callable[[Platform], Iterator[Hit]]

CHECKS: dict[str, Check] = {}
"""Checks by the id of their rule."""


def check(rule: str) -> Callable[[Check], Check]:
    """Make the function the check of a rule.

    Raises:
        ValueError: the rule has a check already.
    """

    def add(function: Check) -> Check:
        if rule in CHECKS:
            raise ValueError(f"{rule} is checked twice")
        CHECKS[rule] = function
        return function

    return add


def findings(platform: Platform) -> Iterator[Finding]:
    """Run all checks."""
    for rule, function in sorted(CHECKS.items()):
        for resource, detail, location in function(platform):
            yield Finding(rule, resource, detail, location)
