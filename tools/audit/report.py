"""Output of the audit, and its figures in `docs/security.md`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from tools.audit.explained import Verdict
from tools.audit.model import Outcome
from tools.audit.packs import PACKS

BEGIN, END = "<!-- figures: written by `make audit WRITE=1` -->", "<!-- end of figures -->"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Figures of one environment."""

    resources: int
    packs: Mapping[str, int]
    """Findings by pack of cdk-nag, before any acknowledgement."""


def summary(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield a line with the findings of each tool."""
    for outcome in outcomes:
        rules = sorted({finding.rule for finding in outcome.findings})
        passed = f", {sum(outcome.passed.values())} passed" if outcome.passed else ""
        names = f": {', '.join(rules)}" if rules else ""
        yield f"{outcome.tool} {outcome.version}: {len(outcome.findings)} findings{passed}, {len(rules)} rules{names}"


def complaints(verdict: Verdict) -> Iterator[str]:
    """Say what to do about each finding without reason and each reason without finding."""
    for (tool, rule, on), findings in sorted(verdict.unexplained.items()):
        yield f"unexplained: {tool} {rule} on {on}: {findings[0].title}"
        yield from (f"    {finding.where}" for finding in findings)
    for tool, rule, on in verdict.stale:
        yield f"stale: {tool} {rule} on {on} is explained, but no longer found: remove its row"
    for tool, rule, on in verdict.thin:
        yield f"thin: {tool} {rule} on {on}: say in docs/security.md why it stays"


def table(outcomes: Sequence[Outcome], environments: Mapping[str, Figures]) -> str:
    """Return the figures as a table with a row for each environment."""
    heads = ["environment", "resources", *PACKS, "checkov failed/passed", "Control Tower rules", "cfn-lint"]
    lines = [_row(heads), _row(["---"] * len(heads))]
    passed = next(item.passed or {} for item in outcomes if item.tool == "checkov")
    for name, figures in environments.items():
        of = {item.tool: [one for one in item.findings if one.where.startswith(f"{name}/")] for item in outcomes}
        lines.append(
            _row(
                [
                    name,
                    figures.resources,
                    *figures.packs.values(),
                    f"{len(of['checkov'])}/{passed.get(name, 0)} ({len({one.rule for one in of['checkov']})})",
                    len({one.rule for one in of["control-tower"]}),
                    len(of["cfn-lint"]),
                ]
            )
        )
    lint = next(item for item in outcomes if item.tool == "hadolint")
    versions = ", ".join([*(f"{item.tool} {item.version}" for item in outcomes), f"cdk-nag {version('cdk-nag')}"])
    return "\n".join([*lines, "", f"hadolint on the Dockerfile: {len(lint.findings)}.", f"Versions: {versions}."])


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def with_figures(document: str, figures: str) -> str:
    """Return the document with its figures replaced.

    Raises:
        ValueError: the document has no markers for them.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"no {BEGIN} and {END} in the document")
    return f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}"
