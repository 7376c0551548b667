"""List the rules, or write `docs/rules.md`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from hpc_constructs.rules.catalogue import KINDS, Kind, Rule, catalogue, pitfalls
from hpc_constructs.rules.nag_register import Acknowledgement, register_of_acknowledgements

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "rules.md"

INTRODUCTION = """\
# Rules that the project checks itself

Written by `make rules` from the catalogue in `constructs/hpc_constructs/rules/`; do not edit.

No public checker knows AWS Batch, so this project has rules of its own. `cdk synth`, and with it `cdk deploy`, ends
with an error if one does not hold, and prints the rule's id, the construct's path, the cause and the fix. Warnings are
printed and do not end it. Where they are checked:

- **relation**: between resources, over all templates of the app and with the catalogue of instance types, in Python;
- **hygiene**: of one resource, in CloudFormation Guard by the CDK's own engine; in Python where Guard cannot say it;
- **configuration**: of the YAML file, before anything is built, all at once with file, line, id and fix. What the
  models themselves refuse (an unknown key, a wrong type or pattern, a number out of bounds) needs no id: the message
  says what is allowed.

`CDK_VALIDATION=false` switches relations and hygiene off, and says so.

A rule may be right and yet not fit: then accept it in the code, with the reason, for one construct and all below it:

```python
rules.acknowledge(construct, "HPC009", "two nodes are kept warm during the course in March")
```

The validation report in `cdk.out/validation-report.json` lists what was accepted, where and why. A test
refuses an acknowledgement that no finding meets any more.
"""

REGISTER = """\
## Findings of cdk-nag that are acknowledged

The same synthesis runs four packs of [cdk-nag](https://github.com/cdklabs/cdk-nag/blob/main/RULES.md): AwsSolutions,
HIPAA, NIST 800-53 R5 and PCI DSS 3.2.1. They check rules; passing them is no certificate. What they find is changed in
the construct; only what is right as it is stands in `constructs/hpc_constructs/rules/acknowledged.toml`, which is this
table. Any other finding ends the synthesis, warnings of the packs included. In ids `{x}` stands for any text without
asterisk and slash, in paths for any one part.
"""

HEADINGS: dict[Kind, str] = {
    "relation": "Relations between resources",
    "hygiene": "Hygiene of single resources",
    "configuration": "Configuration",
}


def of_kind(kind: Kind) -> list[Rule]:
    """Return the rules of a kind."""
    return [rule for rule in catalogue().values() if rule.kind == kind]


def counts() -> str:
    """Say how many rules there are."""
    return ", ".join(f"{len(of_kind(kind))} {kind}" for kind in KINDS) + f"; {len(catalogue())} in all"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _section(rule: Rule) -> Iterator[str]:
    yield f"### {rule.id} {rule.title}"
    yield ""
    yield f"{_sentence(rule.cause)}"
    yield ""
    yield f"Fix: {rule.fix}. [AWS]({rule.link})"
    notes = [
        "A warning." if rule.severity == "warning" else "",
        f"Checked in Python: {rule.python}." if rule.python else "",
        f"Checked by `{rule.check}` in `hpc_constructs.config`." if rule.check else "",
    ]
    if any(notes):
        yield ""
        yield " ".join(filter(None, notes))
    yield ""


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def acknowledged() -> str:
    """Say how much of cdk-nag is acknowledged: the packs share most of their rules."""
    entries = register_of_acknowledgements()
    rules = {rule for entry in entries for rule in entry.rules}
    ids = {text.partition("[")[0] for entry in entries for text in entry.ids}
    return f"{len(rules)} rules ({len(ids)} counted in each pack), for {len(entries)} reasons"


def _acknowledgement(entry: Acknowledgement) -> str:
    ids = "<br>".join(f"`{text}`" for text in entry.ids)
    paths = "<br>".join(f"`{text}`" for text in entry.paths)
    return _row((ids, paths, f"{entry.reason}. [AWS]({entry.link})"))


def document() -> str:
    """Return the text of `docs/rules.md`."""
    lines = [INTRODUCTION, f"There are {counts()}.", ""]
    for kind in KINDS:
        lines += [f"## {HEADINGS[kind]}", ""]
        for rule in of_kind(kind):
            lines += _section(rule)
    lines += [REGISTER, f"There are {acknowledged()}.", ""]
    lines += ["| ids | constructs | reason |", "|---|---|---|"]
    lines += [*map(_acknowledgement, register_of_acknowledgements()), ""]
    lines += ["## Pitfalls and what covers them", "", "| pitfall | rules | besides, or instead |", "|---|---|---|"]
    lines += [_row((item.subject, ", ".join(item.rules), item.otherwise)) for item in pitfalls()]
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--write", is_flag=True, help="Write docs/rules.md too.")
def main(write: bool) -> None:
    """List the rules with their counts."""
    for rule in catalogue().values():
        mark = " (warning)" if rule.severity == "warning" else ""
        click.echo(f"{rule.id}  {rule.kind:13}  {rule.title}{mark}")
    click.echo(counts(), err=True)
    click.echo(f"acknowledged of cdk-nag: {acknowledged()}", err=True)
    if write:
        DOCUMENT.write_text(document(), encoding="utf-8")
        click.echo("wrote docs/rules.md", err=True)


if __name__ == "__main__":
    main()
