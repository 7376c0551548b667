"""Golden templates, for reviewers and for the test that compares the synthesized templates with them.

Those of `prod` are whole. `minimal` holds what differs from `prod`, every other environment what differs from
`minimal`; names of environments aside. A script is written once in a file, and then `*script1`.

`make golden` accepts the templates of the working tree. It adds the logical ids of stateful resources to the list of
their environment and never takes one away, unless it is named: `make golden GIVE_UP="STACK/LOGICAL_ID ..."`.
"""

from __future__ import annotations

import difflib
import io
import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import LiteralScalarString

from hpc_stacks.names import stack_name
from tools.synthesis import (
    ENVIRONMENTS,
    ROOT,
    Stacks,
    SynthesisError,
    Template,
    environments,
    environments_option,
    synthesize_all,
)
from tools.template_difference import apply, difference

GOLDEN = ROOT / "tests" / "golden"
BASES = ("prod", "minimal")
"""Each differs from the one before it, every other environment from the last."""
HEADER = "# What differs from {0}. null: absent here; {0}[0:2], {0}[3]: items of the list in {0}.\n"
STATEFUL_FILE = "stateful-ids.txt"

STATEFUL = {
    "AWS::Backup::BackupVault": "holds backups",
    "AWS::EC2::EIP": "an address that others may have admitted",
    "AWS::EC2::Subnet": "its addresses are in use; a second one with the same block is refused",
    "AWS::EC2::VPC": "contains all network resources",
    "AWS::ECR::Repository": "holds the images that job definitions name by digest",
    "AWS::EFS::FileSystem": "holds data",
    "AWS::FSx::FileSystem": "holds data",
    "AWS::KMS::Key": "without it, encrypted data is lost",
    "AWS::Logs::LogGroup": "holds the jobs' logs and history",
    "AWS::S3::Bucket": "holds data",
    "AWS::SQS::Queue": "holds undelivered events",
    "AWS::SNS::Topic": "has confirmed subscriptions",
    "AWS::SecretsManager::Secret": "holds values that exist nowhere else",
    "AWS::Batch::ComputeEnvironment": "jobs run on it",
    "AWS::Batch::JobQueue": "jobs wait in it, and end with it",
    "AWS::Batch::SchedulingPolicy": "a queue cannot lose or change over to another kind of policy",
}
"""Types whose resources cannot be substituted by a new one, and the reason."""

INLINE = {"Ref", "Fn::GetAtt", "Fn::ImportValue", "Fn::GetAZs"}
NOISE = {"CDKMetadata", "CheckBootstrapVersion", "BootstrapVersion"}
"""Additions of CDK to every template."""


def render(template: Template) -> str:
    """Return a template, or the difference of two, as YAML."""
    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null"))
    repeated = [text for text, count in Counter(_scripts(template)).items() if count > 1]
    scripts = {text: LiteralScalarString(text, anchor=f"script{number}") for number, text in enumerate(repeated, 1)}
    stream = io.StringIO()
    yaml.dump(_readable(template, scripts), stream)
    return stream.getvalue()


def content(template: Template) -> Template:
    """Return a template without CDK's own additions."""
    sections = {
        section: {key: _without_metadata(item) for key, item in entries.items() if key not in NOISE}
        if isinstance(entries, dict)
        else entries
        for section, entries in template.items()
        if section != "Metadata"
    }
    return {key: value for key, value in sections.items() if value}


def equal(one: Template, other: Template) -> bool:
    """Return whether two templates are the same; true and 1 differ."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def golden(folder: Path) -> Stacks:
    """Return the golden templates of an environment, whole."""
    kept = {path.stem: YAML(typ="safe").load(path.read_text()) for path in folder.glob("*.yaml")}
    base = _base(folder) if kept else {}
    return {name: apply(base.get(name), change) for name, change in kept.items()}


def stateful_ids(stacks: Stacks) -> list[str]:
    """Return `<stack>/<logical id> <type>` of every stateful resource."""
    return sorted(
        f"{stack}/{logical_id} {resource['Type']}"
        for stack, template in stacks.items()
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] in STATEFUL
    )


def listed_ids(folder: Path) -> list[str]:
    """Return the stateful ids that an environment's golden folder lists."""
    path = folder / STATEFUL_FILE
    return path.read_text().splitlines() if path.exists() else []


def differences(folder: Path, stacks: Stacks) -> str:
    """Return the differing lines between golden and new templates; empty if there are none."""
    fresh = {name: content(template) for name, template in stacks.items()}
    kept = golden(folder)
    lines: list[str] = []
    for name in sorted({*fresh, *kept}):
        if name in fresh and name in kept and equal(fresh[name], kept[name]):
            continue
        old, new = (render(side[name]).splitlines() if name in side else [] for side in (kept, fresh))
        where = f"{folder.name}/{name}.yaml"
        lines += difflib.unified_diff(old, new, f"golden/{where}", f"now/{where}", n=2, lineterm="")
    return "\n".join(lines)


def lost_ids(folder: Path, stacks: Stacks) -> list[str]:
    """Return the stateful ids that are listed but no longer in the templates."""
    return sorted({*listed_ids(folder)} - {*stateful_ids(stacks)})


def accept(folder: Path, stacks: Stacks, give_up: frozenset[str]) -> list[str]:
    """Write an environment's golden folder; return the stateful ids that are still listed but gone."""
    base, files = _base(folder), dict[str, str]()
    for name, template in stacks.items():
        new = content(template)
        change = difference(base[name], new, _base_name(folder)) if name in base else new
        if not equal(apply(base.get(name), change), new):
            raise ValueError(f"{name} holds what a golden template cannot express, such as null")
        files[name] = (HEADER.format(_base_name(folder)) if name in base else "") + render(change)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.yaml"):
        path.unlink()
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    lost = [line for line in lost_ids(folder, stacks) if line.split()[0] not in give_up]
    (folder / STATEFUL_FILE).write_text("\n".join(sorted({*stateful_ids(stacks), *lost})) + "\n")
    return lost


@click.command()
@click.option(
    "--give-up", default="", help="STACK/LOGICAL_ID of stateful resources, or ENVIRONMENT, whose loss is intended."
)
@click.option("--check", is_flag=True, help="Accept nothing; print what differs, and exit with 1 if anything does.")
@environments_option
@click.option(
    "--golden",
    "kept",
    type=click.Path(path_type=Path),
    help="Folder of the golden templates.  [default: tests/golden; golden/ below another folder of environments]",
)
def main(give_up: str, check: bool, folder: Path, kept: Path | None) -> None:
    """Accept the templates of the working tree as the golden ones."""
    kept = kept or (GOLDEN if folder == ROOT / ENVIRONMENTS else folder / "golden")
    names = environments(ROOT, folder)
    try:
        found = {name: stacks for (_, name), stacks in synthesize_all(((ROOT, name) for name in names), folder).items()}
    except SynthesisError as error:
        raise click.ClickException(str(error)) from None
    if check:
        _check(kept, found)
    else:
        _accept(kept, found, frozenset(give_up.split()))


def _check(folder: Path, found: Mapping[str, Stacks]) -> None:
    names = sorted({*found, *(path.name for path in folder.glob("*/"))})
    shown = [text for name in names if (text := differences(folder / name, found.get(name, {})))]
    if shown:
        click.echo("\n".join(shown))
        click.echo("the templates are not the golden ones; if this is intended: make golden, and commit it", err=True)
        sys.exit(1)


def _accept(folder: Path, found: Mapping[str, Stacks], meant: frozenset[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lost: list[str] = []
    for stale in sorted(path for path in folder.iterdir() if path.is_dir() and path.name not in found):
        if stale.name in meant or not listed_ids(stale):
            shutil.rmtree(stale)
        else:
            lost.append(f"{stale.name} (the whole environment)")
    for name in sorted(found, key=lambda name: BASES.index(name) if name in BASES else len(BASES)):
        lost += accept(folder / name, found[name], meant)
    if lost:
        click.echo("templates accepted; stateful resources that are gone or have another logical id:", err=True)
        for line in lost:
            click.echo(f"  {line}", err=True)
        given = " ".join(line.split()[0] for line in lost)
        click.echo(f'a deployment loses them. Undo that, or if it is intended: make golden GIVE_UP="{given}"', err=True)
        sys.exit(1)


def _base_name(folder: Path) -> str:
    """Return the name of the environment that a folder holds the difference from; empty for a folder of whole ones."""
    earlier = BASES[: BASES.index(folder.name)] if folder.name in BASES else BASES
    return next((name for name in reversed(earlier) if (folder.parent / name).is_dir()), "")


def _base(folder: Path) -> Stacks:
    """Return the golden templates that a folder holds the difference from, under its own names."""
    base, own = _base_name(folder), folder.name
    if not base:
        return {}
    text = json.dumps(golden(folder.parent / base))
    return json.loads(text.replace(base, own).replace(stack_name(base, ""), stack_name(own, "")))


def _without_metadata(item: object) -> object:
    return {key: value for key, value in item.items() if key != "Metadata"} if isinstance(item, dict) else item


def _scripts(value: object) -> Iterator[str]:
    """Texts of more than one line, in the order in which they are written."""
    if isinstance(value, dict):
        for key in _sorted(value):
            yield from _scripts(value[key])
    elif isinstance(value, list):
        for item in value:
            yield from _scripts(item)
    elif isinstance(value, str) and "\n" in value.rstrip("\n"):
        yield value


def _sorted(value: dict[str, object]) -> list[str]:
    return sorted(value, key=lambda key: (key != "Type", key))


def _readable(value: object, scripts: dict[str, LiteralScalarString]) -> object:
    """Sorted maps with `Type` first, references on one line, scripts as blocks."""
    if isinstance(value, dict):
        inline = len(value) == 1 and next(iter(value)) in INLINE
        result = CommentedMap((key, value[key] if inline else _readable(value[key], scripts)) for key in _sorted(value))
        if inline:
            result.fa.set_flow_style()
        return result
    if isinstance(value, list):
        return CommentedSeq(_readable(item, scripts) for item in value)
    if isinstance(value, str) and "\n" in value.rstrip("\n"):
        return scripts.get(value) or LiteralScalarString(value)
    return value


if __name__ == "__main__":
    main()
