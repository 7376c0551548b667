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

No public checker covers AWS Batch, so this project has custom rules. `cdk synth`, and so `cdk deploy`, fails if one
does not hold, and prints the rule's id, the construct's path, the cause and the fix. Warnings are printed only. Kinds
of rules:

- **relation**: between resources, over all templates of the app and with the catalogue of instance types, in Python;
- **hygiene**: of one resource, in CloudFormation Guard by the CDK's engine, or in Python where Guard cannot express it;
- **configuration**: of the YAML file, before anything is built, all at once with file, line, id and fix. Errors that
  the models find (an unknown key, a wrong type or pattern, a number out of range) have no id: the message says what is
  allowed.

`CDK_VALIDATION=false` switches relations and hygiene off, and says so.

Where a rule does not apply, acknowledge it in the code, with the reason, for a construct and everything below it:

```python
rules.acknowledge(construct, "HPC009", "two nodes are kept warm during the course in March")
```

The validation report in `cdk.out/validation-report.json` lists all acknowledgements with path and reason. A
test refuses an acknowledgement without finding.
"""

REGISTER = """\
## Acknowledged findings of cdk-nag

The same synthesis runs four packs of [cdk-nag](https://github.com/cdklabs/cdk-nag/blob/main/RULES.md): AwsSolutions,
HIPAA, NIST 800-53 R5 and PCI DSS 3.2.1. They check rules; passing them is no certificate. Findings are
fixed in the construct; those that are intended are acknowledged in `constructs/hpc_constructs/rules/acknowledged.toml`,
the source of this table. Any other finding, warnings included, fails the synthesis. In ids `{x}` matches any text
without asterisk and slash, in paths any one part.
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
    """Return the number of rules by kind."""
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
    """Return the number of acknowledged rules of cdk-nag, whose packs share most of them."""
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
    lines += ["## Pitfalls and their coverage", "", "| pitfall | rules | other coverage |", "|---|---|---|"]
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
