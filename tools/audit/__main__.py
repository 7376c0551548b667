"""`make audit`: run the public checkers and compare their findings with the reasons in `docs/security.md`."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aws_cdk as cdk
import click

from app import ENVIRONMENTS, build
from hpc_constructs.config import available, load
from tools.audit import checkers, report
from tools.audit.explained import judge, reasons
from tools.audit.model import Material, Outcome
from tools.audit.packs import raw_findings
from tools.synthesis import ROOT

DOCUMENT = ROOT / "docs" / "security.md"


@click.command()
@click.option("--write", is_flag=True, help="Write the figures to docs/security.md; people write the reasons.")
def main(write: bool) -> None:
    """Run the audit; exit with 1 if a finding has no reason, a reason no finding, or the document's figures differ."""
    with tempfile.TemporaryDirectory() as folder:
        material, packs = _synthesize(Path(folder).resolve())
        outcomes = _check(material)
        figures = report.table(outcomes, _by_environment(material, packs))
    text = DOCUMENT.read_text(encoding="utf-8")
    fresh = report.with_figures(text, figures)
    if write:
        DOCUMENT.write_text(fresh, encoding="utf-8")
    for line in report.summary(outcomes):
        click.echo(line)
    verdict = judge(outcomes, reasons(fresh))
    for line in report.complaints(verdict):
        click.echo(line, err=True)
    if not write and fresh != text:
        click.echo("the figures in docs/security.md differ: make audit WRITE=1", err=True)
    if not verdict.good or (not write and fresh != text):
        sys.exit(1)
    click.echo("every finding has a reason, and every reason a finding", err=True)


def _synthesize(folder: Path) -> tuple[Material, dict[str, dict[str, int]]]:
    """Synthesize all environments; return the templates and the findings of cdk-nag's packs."""
    os.environ["CDK_VALIDATION"] = "false"
    packs: dict[str, dict[str, int]] = {}
    for name in available(ENVIRONMENTS):
        app = cdk.App(outdir=str(folder / name), analytics_reporting=False)
        build(app, load(ENVIRONMENTS, name))
        app.synth()
        packs[name] = raw_findings(app)
    for path in folder.glob("*/*"):
        if path.is_file() and not path.name.endswith(".template.json"):
            path.unlink()
    templates = {path: json.loads(path.read_text()) for path in sorted(folder.glob("*/*.template.json"))}
    return Material(folder, templates), packs


def _check(material: Material) -> list[Outcome]:
    runs = (
        lambda: checkers.checkov(material),
        lambda: checkers.control_tower(material),
        lambda: checkers.cfn_lint(list(material.templates)),
        checkers.hadolint,
    )
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [done.result() for done in [pool.submit(run) for run in runs]]


def _by_environment(material: Material, packs: Mapping[str, Mapping[str, int]]) -> dict[str, report.Figures]:
    return {
        name: report.Figures(
            resources=sum(
                len(item["Resources"]) for path, item in material.templates.items() if path.parent.name == name
            ),
            packs=found,
        )
        for name, found in packs.items()
    }


if __name__ == "__main__":
    main()
