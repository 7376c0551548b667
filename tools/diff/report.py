"""A report for people, as Markdown, and for machines, as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from tools.diff.model import Change, Comparison, Edit, Verdict
from tools.diff.properties import show_edit, show_path, text

EDITS_SHOWN = 6
"""Lines by resource; the golden templates show the rest."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentReport:
    """What happens to an environment; one that is only in one version has a size and no comparison."""

    name: str
    presence: Literal["both", "added", "removed"]
    resources: int
    comparison: Comparison = field(default_factory=Comparison)


@dataclass(frozen=True, kw_only=True)
class Report:
    base: str
    commit: str
    source: str
    notes: tuple[str, ...]
    environments: tuple[EnvironmentReport, ...]


def markdown(report: Report) -> str:
    """Return the report as text to paste into a pull request."""
    lines = [f"## What this changes against {report.base} ({report.commit[:12]})", ""]
    for environment in report.environments:
        lines += [f"### {environment.name}: {summary(environment)}", "", *_body(environment)]
    lines += [*(f"Note: {note}" for note in report.notes), f"Replacements by the {report.source}."]
    return "\n".join(lines)


def summary(environment: EnvironmentReport) -> str:
    """Return an environment's report in one line."""
    if environment.presence == "added":
        return f"a new environment, {environment.resources} resources"
    if environment.presence == "removed":
        return (
            f"no longer described. Its {environment.resources} resources stay deployed until the stacks are destroyed,"
            " which needs its YAML"
        )
    counts = Counter(change.verdict for change in environment.comparison.changes)
    words = [f"{counts[verdict]} {_plural(verdict, counts[verdict])}" for verdict in Verdict if counts[verdict]]
    refused = ["REFUSED as it stands"] if environment.comparison.refusals else []
    return ", ".join([*refused, *words]) or "nothing changes"


def as_json(report: Report) -> str:
    """Return the report for machines."""
    content = {
        "base": report.base,
        "commit": report.commit,
        "schemas": report.source,
        "notes": report.notes,
        "environments": {item.name: _environment(item) for item in report.environments},
    }
    return json.dumps(content, indent=2)


def _plural(verdict: Verdict, count: int) -> str:
    return "infrastructure updates" if verdict is Verdict.INFRASTRUCTURE and count > 1 else verdict.value


def _body(environment: EnvironmentReport) -> Iterator[str]:
    comparison = environment.comparison
    if comparison.refusals:
        yield "**REFUSED by CloudFormation as it stands**"
        yield ""
        for item in comparison.refusals:
            yield f"- {item.stack}: {item.reason}"
            yield f"  - way out: {item.way_out}"
        yield ""
    for verdict, changes in groupby(comparison.changes, key=lambda change: change.verdict):
        yield f"**{verdict.value}**"
        yield ""
        for change in changes:
            yield from _change(change)
        yield ""


def _change(change: Change) -> Iterator[str]:
    effect = f": {change.effect}" if change.effect else ""
    where = change.construct or change.stack
    yield f"- `{change.logical_id}` {change.type} ({where}){effect}"
    gravest_first = sorted(change.edits, key=lambda edit: list(Verdict).index(edit.verdict))
    for edit in gravest_first[:EDITS_SHOWN]:
        yield f"  - `{show_path(edit.path)}`: {_line(edit)}"
    if len(change.edits) > EDITS_SHOWN:
        yield f"  - and {len(change.edits) - EDITS_SHOWN} more"


def _line(edit: Edit) -> str:
    mark = f" [{edit.verdict.value}]" if edit.verdict is Verdict.REPLACED else ""
    if edit.because:
        return f"`{edit.old}` gets another value{mark}"
    return f"`{show_edit(edit).replace('`', chr(39))}`{mark}"


def _environment(item: EnvironmentReport) -> dict[str, Any]:
    return {
        "presence": item.presence,
        "summary": summary(item),
        "resources": item.resources,
        "refusals": [vars(refusal) for refusal in item.comparison.refusals],
        "changes": [_change_as_json(change) for change in item.comparison.changes],
    }


def _change_as_json(change: Change) -> dict[str, Any]:
    edits = [
        {
            "path": show_path(edit.path),
            "old": text(edit.old),
            "new": text(edit.new),
            "attribute": edit.attribute,
            "because": edit.because or None,
            "verdict": edit.verdict.value,
        }
        for edit in change.edits
    ]
    return {**vars(change), "verdict": change.verdict.value, "edits": edits}
