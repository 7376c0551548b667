"""The rules are part of a synthesis by app.py, and can be acknowledged with a reason only."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_batch as batch
from aws_cdk import aws_s3 as s3

from hpc_constructs import rules
from hpc_constructs.rules import unused_acknowledgements
from tests.constructs.rules.synthesis import ROOT, plugin_reports, run

CANARY = """
import sys
from app import ENVIRONMENTS
from hpc_stacks import app
from aws_cdk import Stack, aws_batch as batch, aws_s3 as s3
from constructs import Construct

build = app.build

def spoiled(root, environment):
    build(root, environment)
    stack = Stack(root, "Canary")
    s3.CfnBucket(stack, "Bucket")
    batch.CfnJobQueue(stack, "Queue", priority=1, state="ENABLED", compute_environment_order=[])

app.build = spoiled
app.main(ENVIRONMENTS)
"""
"""app.py with an additional bucket and queue that break rules of both engines."""


@pytest.mark.slow
def test_a_bad_construct_in_the_app_ends_its_synthesis_with_id_path_cause_and_fix(tmp_path: Path) -> None:
    done = run(["-c", CANARY], tmp_path)
    assert done.returncode != 0
    for text in (
        "HPC040 One to three environments: a queue takes at least one and at most three compute environments",
        "Canary/Queue",
        "split the queue",
        "HPC172 Versioned bucket: what is overwritten or deleted by mistake is gone",
        "Canary/Bucket",
        "Fix: set VersioningConfiguration.Status to Enabled",
        "AwsSolutions-S1 The S3 Bucket has server access logs disabled.",
        "add AwsSolutions::AwsSolutions-S1 with the reason to constructs/hpc_constructs/rules/acknowledged.toml",
    ):
        assert text in done.stderr
    concluded = {name: item["conclusion"] for name, item in plugin_reports(tmp_path).items()}
    packs = ("AwsSolutions", "HIPAA.Security", "NIST.800.53.R5", "PCI.DSS.321")
    assert concluded == dict.fromkeys(("hpc", "CloudFormation Validate", *packs), "failure")


@pytest.mark.slow
def test_validation_can_be_switched_off_but_not_silently(tmp_path: Path) -> None:
    done = run(["-c", CANARY], tmp_path, CDK_VALIDATION="false")
    assert done.returncode == 0, done.stderr
    assert "the rules of docs/rules.md are not checked" in done.stderr


@pytest.fixture
def app(tmp_path: Path) -> cdk.App:
    return cdk.App(outdir=str(tmp_path), analytics_reporting=False, post_cli_context=dict(rules.CONTEXT))


@pytest.mark.slow
def test_an_acknowledged_finding_is_kept_with_its_reason_and_others_stay(app: cdk.App, tmp_path: Path) -> None:
    rules.register(app)
    stack = cdk.Stack(app, "S")
    for name in ("One", "Two"):
        batch.CfnJobQueue(stack, name, priority=1, state="ENABLED", compute_environment_order=[], job_queue_name=name)
    reason = "the environments of this queue are attached by hand"
    rules.acknowledge(stack.node.find_child("One"), "HPC040", reason)
    rules.acknowledge(stack.node.find_child("One"), "HPC137", reason)
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    for plugin, rule in (("hpc", "HPC040"), ("CloudFormation Validate", "HPC137")):
        report = plugin_reports(tmp_path)[plugin]
        assert [(item["ruleName"], item["reason"]) for item in report["suppressedViolations"]] == [(rule, reason)]
        open_ones = [item for item in report["violations"] if item["ruleName"] == rule]
        assert [one["constructPath"] for item in open_ones for one in item["violatingConstructs"]] == ["S/Two"]


@pytest.mark.slow
def test_an_acknowledgement_without_finding_is_known(app: cdk.App, tmp_path: Path) -> None:
    rules.register(app)
    stack = cdk.Stack(app, "S")
    queue = batch.CfnJobQueue(stack, "Q", priority=1, state="ENABLED", compute_environment_order=[], job_queue_name="q")
    for rule in ("HPC040", "HPC052", "HPC137", "HPC138", "HPC009"):
        rules.acknowledge(queue, rule, "the environments of this queue are attached by hand")
    rules.acknowledge(stack, "HPC172", "a stack without any bucket needs no versions")
    app.synth()
    assert unused_acknowledgements.unused(tmp_path) == {("S/Q", "HPC138"), ("S/Q", "HPC009"), ("S", "HPC172")}


@pytest.mark.parametrize(
    ("rule", "reason", "expected"),
    [
        ("HPC999", "a reason that would be long enough", "'HPC999' given"),
        ("HPC202", "configuration is corrected, not accepted", "'HPC202' given"),
        ("HPC040", "because", "HPC040: 'because' given; allowed: a reason of at least 40 characters"),
        ("HPC040", " " * 50, "at least 40 characters"),
    ],
)
def test_an_acknowledgement_without_rule_or_reason_is_refused(rule: str, reason: str, expected: str) -> None:
    stack = cdk.Stack(cdk.App(), "S")
    with pytest.raises(ValueError, match=expected):
        rules.acknowledge(s3.CfnBucket(stack, "B"), rule, reason)


def test_every_acknowledgement_needs_a_reason() -> None:
    """Everything is acknowledged by `rules.acknowledge`, which requires a reason."""
    for path in (ROOT / "constructs").rglob("*.py"):
        if path.parent.name != "rules":
            assert ".acknowledge(cdk.Acknowledgment" not in path.read_text(), path
            assert "Validations.of" not in path.read_text(), path
