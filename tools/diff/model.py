"""The words of a report."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Path = tuple[str, ...]
"""Names of properties from the outside in; an item of a list is `[index]` or `[its key]`."""

Key = tuple[str, str]
"""Stack and logical id."""


class Absent:
    """The old value of what is added, the new one of what is removed."""

    def __repr__(self) -> str:
        return "(none)"


ABSENT = Absent()


class Verdict(StrEnum):
    """What happens to a resource, the gravest first."""

    REPLACED = "REPLACED"
    DELETED = "deleted"
    INFRASTRUCTURE = "infrastructure update"
    IN_PLACE = "in place"
    ADDED = "added"


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One differing value of a resource."""

    path: Path
    old: Any
    new: Any
    attribute: bool = False
    """Beside the properties, such as DeletionPolicy: CloudFormation's business, not the service's."""
    because: str = ""
    """The resource through which it changes, if the text of the template is the same."""
    verdict: Verdict = Verdict.IN_PLACE


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to one resource."""

    stack: str
    logical_id: str
    type: str
    construct: str
    verdict: Verdict
    effect: str
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A deployment that AWS would not do as it stands, and the way out."""

    stack: str
    reason: str
    way_out: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What happens to one environment."""

    changes: tuple[Change, ...] = field(default=())
    refusals: tuple[Refusal, ...] = field(default=())
