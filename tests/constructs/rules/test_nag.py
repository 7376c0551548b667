"""cdk-nag's packs: registered, with nothing open, and nothing acknowledged but what the register says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_batch as batch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from app import ENVIRONMENTS
from hpc_constructs import rules
from hpc_constructs.config import available
from hpc_constructs.rules import unused_acknowledgements
from hpc_constructs.rules.nag_register import Acknowledgement, register_of_acknowledgements
from tests.constructs.rules.synthesis import plugin_reports, run
from tests.stacks.conftest import WIDE

PACKS = ("AwsSolutions", "HIPAA.Security", "NIST.800.53.R5", "PCI.DSS.321")
SHARED = PACKS[1:]
MOST_RULES = 12
NAMESPACED = re.compile(r"(?P<pack>[\w.]+)::(?P=pack)-[A-Za-z0-9]+(\[(Resource|Action)::.+\])?")


@dataclass(frozen=True)
class Accepted:
    """A finding that a validation report lists as acknowledged."""

    environment: str
    id: str
    path: str
    reason: str


@pytest.fixture(scope="session")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Validation reports of the repository's environments, and of one with features that those do not use."""
    wide = tmp_path_factory.mktemp("environments")
    (wide / "wide.yaml").write_text(WIDE)
    context: dict[str, dict[str, str]] = {name: {"env": name} for name in available(ENVIRONMENTS)}
    context["wide"] = {"env": "wide", "environments": str(wide)}

    def report(name: str) -> Any:
        out = tmp_path_factory.mktemp(name)
        done = run(["app.py"], out, context[name])
        assert done.returncode == 0, done.stderr
        assert unused_acknowledgements.unused(out) == set(), "acknowledged, but not found: remove them"
        return plugin_reports(out)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(context, pool.map(report, context), strict=True))


@pytest.fixture(scope="session")
def accepted(synthesized: dict[str, Any]) -> list[Accepted]:
    def found() -> Iterator[Accepted]:
        for environment, reports in synthesized.items():
            for name, report in reports.items():
                for item in report.get("suppressedViolations", []):
                    for construct in item["violatingConstructs"]:
                        identity = f"{name}::{item['ruleName']}"
                        yield Accepted(environment, identity, construct["constructPath"], item["reason"])

    return list(found())


@pytest.mark.slow
def test_nothing_is_open_in_any_environment(synthesized: dict[str, Any]) -> None:
    assert len(synthesized) == 5
    for environment, reports in synthesized.items():
        # A report without findings and acknowledgements is left out: these packs did run.
        assert set(reports) == set(PACKS), environment
        for report in reports.values():
            assert report["violations"] == []
            assert report["conclusion"] == "success"


@pytest.mark.slow
def test_everything_that_is_acknowledged_is_in_the_register(accepted: list[Accepted]) -> None:
    assert accepted
    for item in accepted:
        entries = [one for one in register_of_acknowledgements() if one.names(item.id) and one.admits(item.path)]
        assert [one.reason for one in entries] == [item.reason], item


@pytest.mark.slow
def test_the_register_has_no_stale_entry(accepted: list[Accepted]) -> None:
    for entry in register_of_acknowledgements():
        for text in entry.ids:
            one = Acknowledgement(ids=(text,), paths=entry.paths, reason="", link="")
            assert any(one.names(item.id) and one.admits(item.path) for item in accepted), text
        for path in entry.paths:
            one = Acknowledgement(ids=entry.ids, paths=(path,), reason="", link="")
            assert any(one.names(item.id) and one.admits(item.path) for item in accepted), path


def test_the_register_is_short_and_gives_reasons() -> None:
    entries = register_of_acknowledgements()
    assert len({rule for entry in entries for rule in entry.rules}) <= MOST_RULES
    for entry in entries:
        assert len(entry.reason) >= rules.SHORTEST_REASON
        assert entry.link.startswith("https://docs.aws.amazon.com/")
        assert all(NAMESPACED.fullmatch(text) for text in entry.ids), entry.ids


def test_what_packs_share_is_acknowledged_in_all_of_them() -> None:
    for entry in register_of_acknowledgements():
        packs = {text.partition("::")[0] for text in entry.ids}
        without_backups = {"HIPAA.Security", "NIST.800.53.R5"}  # the other one has no rule about them
        assert packs in ({"AwsSolutions"}, set(SHARED), without_backups)


@pytest.mark.parametrize(
    ("finding", "path"),
    [
        ("AwsSolutions::AwsSolutions-IAM5[Resource::*]", "S/Projects/alpha/Submitter/Policy/Resource"),
        ("AwsSolutions::AwsSolutions-IAM5[Resource::*]", "S/Operators/Other/Resource"),
        (
            "AwsSolutions::AwsSolutions-IAM5[Resource::<SsmParameterValueother.Parameter>:*]",
            "S/Operators/Policy/Resource",
        ),
        ("AwsSolutions::AwsSolutions-IAM5[Action::s3:*]", "S/Projects/alpha/Submitter/Resource"),
        ("AwsSolutions::AwsSolutions-IAM5[Resource::arn:aws:s3:::*/*]", "S/Projects/alpha/Submitter/Resource"),
        ("AwsSolutions::AwsSolutions-IAM5[Resource::<Bucket.Arn>/*]", "S/Projects/alpha/Job/Policy/Resource"),
        ("AwsSolutions::AwsSolutions-IAM5[Resource::<Bucket.Arn>/a/b/*]", "S/Projects/alpha/Job/Policy/Resource"),
        ("AwsSolutions::AwsSolutions-IAM5", "S/ExecutionRole/Policy/Resource"),
        ("AwsSolutions::AwsSolutions-S1", "S/Data/AccessLogs/Resource"),
        ("HIPAA.Security::HIPAA.Security-S3DefaultEncryptionKMS", "S/Data/Bucket/Resource"),
    ],
)
def test_the_register_admits_nothing_wider_and_nothing_elsewhere(finding: str, path: str) -> None:
    assert not any(entry.names(finding) and entry.admits(path) for entry in register_of_acknowledgements())


@pytest.fixture
def spoiled(tmp_path: Path) -> dict[str, Any]:
    """Reports for an app with a bad bucket, a bad role and a bad job definition."""
    app = cdk.App(
        outdir=str(tmp_path),
        analytics_reporting=False,
        post_cli_context={**rules.CONTEXT, "@aws-cdk/core:failSynthOnValidationErrors": False},
    )
    rules.register(app)
    stack = cdk.Stack(app, "Canary")
    s3.CfnBucket(stack, "Bucket")
    batch.CfnJobDefinition(
        stack,
        "Definition",
        type="container",
        container_properties=batch.CfnJobDefinition.ContainerPropertiesProperty(image="busybox", privileged=True),
    )
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    iam.CfnManagedPolicy(stack, "Policy", policy_document={"Version": "2012-10-17", "Statement": [statement]})
    app.synth()
    return plugin_reports(tmp_path)


@pytest.mark.slow
def test_each_pack_and_both_engines_of_ours_report_what_is_bad(spoiled: dict[str, Any]) -> None:
    expected = {
        "AwsSolutions": "AwsSolutions-S1",
        **{pack: f"{pack}-S3BucketLoggingEnabled" for pack in SHARED},
        "hpc": "HPC062",
        "CloudFormation Validate": "HPC172",
    }
    assert set(spoiled) == set(expected)
    for plugin, rule in expected.items():
        assert spoiled[plugin]["conclusion"] == "failure"
        (found,) = [item for item in spoiled[plugin]["violations"] if item["ruleName"] == rule]
        assert [one["constructPath"] for one in found["violatingConstructs"]] == ["Canary/Bucket"]
    guard = {item["ruleName"]: item for item in spoiled["CloudFormation Validate"]["violations"]}
    assert guard["HPC101"]["violatingConstructs"][0]["constructPath"] == "Canary/Definition"


@pytest.mark.slow
def test_a_finding_of_a_pack_says_id_cause_and_fix_and_is_an_error(spoiled: dict[str, Any]) -> None:
    for pack in PACKS:
        for item in spoiled[pack]["violations"]:
            assert item["description"].startswith(f"{item['ruleName']} ")
            assert len(item["description"]) > len(item["ruleName"]) + 40
            assert f"{pack}::{item['ruleName']}" in item["suggestedFix"]
            assert item["severity"] == "error"
    assert not any("suppressedViolations" in report for report in spoiled.values())
