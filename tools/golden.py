"""Golden templates: what reviewers read, and what a test compares with.

`make golden` accepts the templates of the working tree. It adds the logical ids of stateful resources to the list of
their environment and never takes one away, unless it is named: `make golden GIVE_UP="STACK/LOGICAL_ID ..."`.
"""

from __future__ import annotations

import difflib
import io
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import click
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import LiteralScalarString

from tools.synthesis import (
    ENVIRONMENTS,
    ROOT,
    Stacks,
    SynthesisError,
    environments,
    environments_option,
    synthesize_all,
)

GOLDEN = ROOT / "tests" / "golden"
STATEFUL_FILE = "stateful-ids.txt"

STATEFUL = {
    "AWS::Backup::BackupVault": "holds the copies of what was lost",
    "AWS::EC2::EIP": "an address that others may have admitted",
    "AWS::EC2::Subnet": "its addresses are in use; a second one with the same block is refused",
    "AWS::EC2::VPC": "everything stands in it",
    "AWS::ECR::Repository": "holds the images that job definitions name by digest",
    "AWS::EFS::FileSystem": "holds data",
    "AWS::FSx::FileSystem": "holds data",
    "AWS::KMS::Key": "without it, what it encrypted is lost",
    "AWS::Logs::LogGroup": "holds the jobs' logs and history",
    "AWS::S3::Bucket": "holds data",
    "AWS::SQS::Queue": "holds notices that nobody has read",
    "AWS::SNS::Topic": "people subscribed to it, and confirmed",
    "AWS::SecretsManager::Secret": "holds what nobody wrote down elsewhere",
    "AWS::Batch::ComputeEnvironment": "jobs run on it",
    "AWS::Batch::JobQueue": "jobs wait in it, and end with it",
    "AWS::Batch::SchedulingPolicy": "a queue cannot lose or change over to another kind of policy",
}
"""Types whose resources another of the same kind cannot take the place of, and why."""

INLINE = {"Ref", "Fn::GetAtt", "Fn::ImportValue", "Fn::GetAZs"}
NOISE = {"CDKMetadata", "CheckBootstrapVersion", "BootstrapVersion"}
"""What CDK adds to any template; it says nothing about this app."""


def golden_files(stacks: Stacks) -> dict[str, str]:
    """Return the content of an environment's golden templates by file name."""
    return {f"{name}.yaml": render(template) for name, template in stacks.items()}


def render(template: dict[str, object]) -> str:
    """Return a template as YAML: sorted, without CDK's own additions."""
    sections = {
        section: {key: _without_metadata(item) for key, item in sorted(content.items()) if key not in NOISE}
        if isinstance(content, dict)
        else content
        for section, content in sorted(template.items())
        if section != "Metadata"
    }
    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_readable({key: value for key, value in sections.items() if value}), stream)
    return stream.getvalue()


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
    fresh = golden_files(stacks)
    kept = {path.name: path.read_text() for path in folder.glob("*.yaml")}
    lines: list[str] = []
    for name in sorted({*fresh, *kept}):
        old, new = kept.get(name, "").splitlines(), fresh.get(name, "").splitlines()
        where = f"{folder.name}/{name}"
        lines += difflib.unified_diff(old, new, f"golden/{where}", f"now/{where}", n=2, lineterm="")
    return "\n".join(lines)


def lost_ids(folder: Path, stacks: Stacks) -> list[str]:
    """Return the stateful ids that are listed but no longer in the templates."""
    return sorted({*listed_ids(folder)} - {*stateful_ids(stacks)})


def accept(folder: Path, stacks: Stacks, give_up: frozenset[str]) -> list[str]:
    """Write an environment's golden folder; return the stateful ids that are still listed but gone."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = golden_files(stacks)
    for path in folder.glob("*.yaml"):
        if path.name not in fresh:
            path.unlink()
    for name, text in fresh.items():
        (folder / name).write_text(text)
    lost = [line for line in lost_ids(folder, stacks) if line.split()[0] not in give_up]
    (folder / STATEFUL_FILE).write_text("\n".join(sorted({*stateful_ids(stacks), *lost})) + "\n")
    return lost


@click.command()
@click.option(
    "--give-up", default="", help="STACK/LOGICAL_ID of stateful resources, or ENVIRONMENT, whose loss is meant."
)
@click.option("--check", is_flag=True, help="Accept nothing; print what differs, and end with exit code 1 if it does.")
@environments_option
@click.option(
    "--golden",
    type=click.Path(path_type=Path),
    help="Where the golden templates are.  [default: tests/golden; golden/ below another folder of environments]",
)
def main(give_up: str, check: bool, folder: Path, golden: Path | None) -> None:
    """Accept the templates of the working tree as the golden ones."""
    golden = golden or (GOLDEN if folder == ROOT / ENVIRONMENTS else folder / "golden")
    names = environments(ROOT, folder)
    try:
        found = {name: stacks for (_, name), stacks in synthesize_all(((ROOT, name) for name in names), folder).items()}
    except SynthesisError as error:
        raise click.ClickException(str(error)) from None
    if check:
        _check(golden, found)
    else:
        _accept(golden, found, frozenset(give_up.split()))


def _check(golden: Path, found: Mapping[str, Stacks]) -> None:
    names = sorted({*found, *(path.name for path in golden.glob("*/"))})
    shown = [text for name in names if (text := differences(golden / name, found.get(name, {})))]
    if shown:
        click.echo("\n".join(shown))
        click.echo("the templates are not the golden ones; if this is meant: make golden, and commit it", err=True)
        sys.exit(1)


def _accept(golden: Path, found: Mapping[str, Stacks], meant: frozenset[str]) -> None:
    golden.mkdir(parents=True, exist_ok=True)
    lost = [line for name, stacks in found.items() for line in accept(golden / name, stacks, meant)]
    for stale in sorted(path for path in golden.iterdir() if path.is_dir() and path.name not in found):
        if stale.name in meant or not listed_ids(stale):
            shutil.rmtree(stale)
        else:
            lost.append(f"{stale.name} (the whole environment)")
    if lost:
        click.echo("templates accepted; stateful resources that are gone or have another logical id:", err=True)
        for line in lost:
            click.echo(f"  {line}", err=True)
        given = " ".join(line.split()[0] for line in lost)
        click.echo(f'a deployment loses them. Undo that, or if it is meant: make golden GIVE_UP="{given}"', err=True)
        sys.exit(1)


def _without_metadata(item: object) -> object:
    return {key: value for key, value in item.items() if key != "Metadata"} if isinstance(item, dict) else item


def _readable(value: object) -> object:
    """Sorted maps with `Type` first, references on one line, scripts as blocks."""
    if isinstance(value, dict):
        inline = len(value) == 1 and next(iter(value)) in INLINE
        keys = sorted(value, key=lambda key: (key != "Type", key))
        result = CommentedMap((key, value[key] if inline else _readable(value[key])) for key in keys)
        if inline:
            result.fa.set_flow_style()
        return result
    if isinstance(value, list):
        return CommentedSeq(_readable(item) for item in value)
    if isinstance(value, str) and "\n" in value.rstrip("\n"):
        return LiteralScalarString(value)
    return value


if __name__ == "__main__":
    main()
