"""`make diff BASE=main`: what a deployment of the working tree would change, offline."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import click

from tools.diff import schemas
from tools.diff.base import UnknownRefError, checkout, commit_of, same_libraries
from tools.diff.compare import compare
from tools.diff.report import EnvironmentReport, Report, as_json, markdown
from tools.synthesis import (
    ENVIRONMENTS,
    ROOT,
    Stacks,
    SynthesisError,
    environments,
    environments_option,
    synthesize_all,
)


@click.command()
@click.argument("base")
@click.option("--env", "wanted", multiple=True, help="Only this environment; may be given several times.")
@environments_option
@click.option("--json", "as_data", is_flag=True, help="For machines.")
@click.option("--root", type=click.Path(path_type=Path, exists=True), default=ROOT, help="The working tree.")
def main(base: str, wanted: tuple[str, ...], folder: Path, as_data: bool, root: Path) -> None:
    """Report what changes between BASE, a git ref, and the working tree.

    Environments that are not in this repository are the same on both sides: only the source differs.
    """
    if folder == ROOT / ENVIRONMENTS:
        folder = ENVIRONMENTS
    elif folder.is_relative_to(root.resolve()):
        folder = folder.relative_to(root.resolve())
    try:
        commit = commit_of(root, base)
        with checkout(root, commit) as source:
            found = _environments(source, root, folder, wanted)
            notes = () if same_libraries(source, root) else (_LIBRARIES,)
    except UnknownRefError as error:
        raise click.UsageError(str(error)) from None
    except SynthesisError as error:
        raise click.ClickException(str(error)) from None
    report = Report(base=base, commit=commit, source=schemas.source(), notes=notes, environments=found)
    click.echo(as_json(report) if as_data else markdown(report))


def _environments(base: Path, head: Path, folder: Path, wanted: Collection[str]) -> tuple[EnvironmentReport, ...]:
    old, new = environments(base, folder), environments(head, folder)
    names = sorted({*old, *new})
    for name in wanted:
        if name not in names:
            raise click.UsageError(f"--env: {name!r} given; allowed: {', '.join(names)}")
    names = sorted(wanted) or names
    pairs = [(root, name) for root, have in ((base, old), (head, new)) for name in names if name in have]
    found = synthesize_all(pairs, folder)
    return tuple(_environment(name, found.get((base, name)), found.get((head, name))) for name in names)


def _environment(name: str, old: Stacks | None, new: Stacks | None) -> EnvironmentReport:
    if old is None or new is None:
        there = new or old or {}
        return EnvironmentReport(name=name, presence="added" if new else "removed", resources=_size(there))
    return EnvironmentReport(name=name, presence="both", resources=_size(new), comparison=compare(old, new))


def _size(stacks: Stacks) -> int:
    return sum(len(template["Resources"]) for template in stacks.values())


_LIBRARIES = (
    "requirements.txt differs, and both versions were synthesized with the libraries installed here: what new"
    " libraries change by themselves is in the golden templates, not in this report."
)

if __name__ == "__main__":
    main()
