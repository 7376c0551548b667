"""Comparison of the findings with the reasons in `docs/security.md` why they stay."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tools.audit.model import Finding, Outcome

Key = tuple[str, str, str]
ROW = re.compile(r"^\| (?P<tool>[a-z-]+) \| `(?P<rule>[A-Z0-9_.]+)` \| `(?P<on>[^`]+)` \| (?P<reason>.*?) \|$", re.M)
SHORTEST_REASON = 40


@dataclass(frozen=True)
class Verdict:
    """The differences between findings and reasons."""

    unexplained: Mapping[Key, Sequence[Finding]]
    stale: Sequence[Key]
    """Explained, but no longer found."""
    thin: Sequence[Key]
    """Explained in too few words."""

    @property
    def good(self) -> bool:
        return not (self.unexplained or self.stale or self.thin)


def reasons(document: str) -> dict[Key, str]:
    """Return the reasons in the table, by finding.

    Raises:
        ValueError: a finding is explained twice.
    """
    found: dict[Key, str] = {}
    for row in ROW.finditer(document):
        key = (row["tool"], row["rule"], row["on"])
        if key in found:
            raise ValueError(f"{key} is explained twice")
        found[key] = row["reason"]
    return found


def judge(outcomes: Iterable[Outcome], explained: Mapping[Key, str]) -> Verdict:
    """Compare findings with reasons; those of a gate cannot be explained."""
    unexplained: dict[Key, list[Finding]] = {}
    met: set[Key] = set()
    for outcome in outcomes:
        for finding in outcome.findings:
            if finding.key in explained and not outcome.gate:
                met.add(finding.key)
            else:
                unexplained.setdefault(finding.key, []).append(finding)
    return Verdict(
        unexplained=unexplained,
        stale=sorted(set(explained) - met),
        thin=sorted(key for key, reason in explained.items() if len(reason) < SHORTEST_REASON),
    )
