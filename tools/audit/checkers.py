"""The checkers, each in a separate virtual environment: command lines, and parsing of the reports."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tools.audit.model import Finding, Material, Outcome
from tools.synthesis import ROOT

HOMES = ROOT / ".local" / "audit"
DOCKERFILE = ROOT / "container" / "Dockerfile"
GUARD = "cdklabs/cdk_validator_cfnguard/_jsii"
LOGICAL_ID = re.compile(r"/Resources/([A-Za-z0-9]+)")


class CheckerError(Exception):
    """A checker failed; the message has its output."""


def checkov(material: Material) -> Outcome:
    """Run the CloudFormation rules of https://www.checkov.io, none of which covers AWS Batch."""
    command = [_program("checkov"), "--directory", str(material.folder), "--framework", "cloudformation"]
    report = _report([*command, "--skip-download", "--compact", "--output", "json"], {0, 1}, LOG_LEVEL="ERROR")
    summary = report["summary"]
    if summary["parsing_errors"] or len({item["file_path"] for item in _all(report)}) != len(material.templates):
        raise CheckerError(f"checkov did not read all {len(material.templates)} templates: {summary}")
    return Outcome(
        tool="checkov",
        version=summary["checkov_version"],
        findings=tuple(sorted(_of_checkov(report, material))),
        passed=Counter(Path(item["file_path"]).parent.name for item in report["results"]["passed_checks"]),
    )


def _all(report: Any) -> list[Any]:
    return [*report["results"]["failed_checks"], *report["results"]["passed_checks"]]


def _of_checkov(report: Any, material: Material) -> Iterator[Finding]:
    for item in report["results"]["failed_checks"]:
        kind, _, logical_id = item["resource"].rpartition(".")
        where = material.where(Path(item["file_path"]), logical_id)
        yield Finding("checkov", item["check_id"], kind, where, item["check_name"])


def control_tower(material: Material) -> Outcome:
    """Run AWS Control Tower's proactive controls, with the cfn-guard and rules of AWS's package for the CDK."""
    guard, rules = _guard()
    command = [str(guard), "validate", "--data", str(material.folder), "--rules", str(rules), "--structured"]
    report = _report([*command, "--show-summary", "none", "--output-format", "json"], {0, 19})
    if len(report) != len(material.templates):
        raise CheckerError(f"cfn-guard read {len(report)} of {len(material.templates)} templates")
    found = {finding for file in report for finding in _of_guard(file, material)}
    return Outcome(tool="control-tower", version=f"with cfn-guard {_version(guard)}", findings=tuple(sorted(found)))


def _of_guard(file: Any, material: Material) -> Iterator[Finding]:
    path = Path(file["name"])
    for item in file["not_compliant"]:
        said = json.dumps(item)
        control = re.search(r"\[(CT\.[A-Z0-9.]+)\]: ([^\\\"]+)", said)
        if control is None:
            raise CheckerError(f"cfn-guard names no control: {item['Rule']['name']}")
        for logical_id in sorted(set(LOGICAL_ID.findall(said))):
            kind, where = material.type_of(path, logical_id), material.where(path, logical_id)
            yield Finding("control-tower", control[1], kind, where, control[2].strip())


def _guard() -> tuple[Path, Path]:
    """Return cfn-guard and its rules, unpacked from the Node.js archive in the package."""
    home = HOMES / "control-tower"
    unpacked = home / "package"
    if not unpacked.exists():
        (archive,) = home.glob(f"lib/python*/site-packages/{GUARD}/*.tgz")
        with tarfile.open(archive) as content:
            content.extraction_filter = getattr(tarfile, "data_filter", None)  # missing before Python 3.11.4
            content.extractall(home)  # noqa: S202 - pinned with its package
    system = {"Linux": "ubuntu", "Darwin": "macos"}[platform.system()]
    machine = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())
    return unpacked / "bin" / system / machine / "cfn-guard", unpacked / "rules"


def cfn_lint(paths: Sequence[Path]) -> Outcome:
    """Run https://github.com/aws-cloudformation/cfn-lint, which finds what CloudFormation would refuse: a gate."""
    program = Path(sys.executable).parent / "cfn-lint"
    report = _report([str(program), "--format", "json", *map(str, paths)], {0, 2, 4, 6, 8, 10, 12, 14})
    found = (
        Finding("cfn-lint", item["Rule"]["Id"], "template", _place(item), f"{item['Rule']['Id']} {item['Message']}")
        for item in report
    )
    return Outcome(tool="cfn-lint", version=_version(program), findings=tuple(sorted(found)), gate=True)


def _place(item: Any) -> str:
    path = Path(item["Filename"])
    return f"{path.parent.name}/{path.name}:{item['Location']['Start']['LineNumber']}"


def hadolint() -> Outcome:
    """Run https://github.com/hadolint/hadolint on the Dockerfile."""
    report = _report([_program("hadolint"), "--format", "json", str(DOCKERFILE)], {0, 1})
    name = str(DOCKERFILE.relative_to(ROOT))
    found = (Finding("hadolint", item["code"], name, f"{name}:{item['line']}", item["message"]) for item in report)
    return Outcome(tool="hadolint", version=_version(_program("hadolint")), findings=tuple(sorted(found)))


def _program(tool: str) -> str:
    return str(HOMES / tool / "bin" / tool)


def _version(program: Path | str) -> str:
    said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[-1]


def _report(command: list[str], expected: set[int], **more: str) -> Any:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **more})
    if done.returncode not in expected:
        raise CheckerError(
            f"{Path(command[0]).name} ended with exit code {done.returncode}: {done.stderr.strip()[-1000:]}"
        )
    return json.loads(done.stdout)
