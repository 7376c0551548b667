"""Findings and reasons must meet, one for one."""

from __future__ import annotations

import pytest

from tools.audit.explained import SHORTEST_REASON, judge, reasons
from tools.audit.model import Finding, Outcome
from tools.audit.report import complaints, summary

REASON = "a reason of substance, which says who is hurt by it and why nobody is"
ONE = Finding("checkov", "CKV_AWS_27", "AWS::SQS::Queue", "dev/S/Queue", "Ensure it is encrypted")
OTHER = Finding("checkov", "CKV_AWS_27", "AWS::SQS::Queue", "prod/S/Queue", "Ensure it is encrypted")
ROW = f"| checkov | `CKV_AWS_27` | `AWS::SQS::Queue` | {REASON} |\n"


def found(*findings: Finding, gate: bool = False) -> list[Outcome]:
    return [Outcome(tool="checkov", version="1", findings=findings, gate=gate)]


def test_a_row_is_read_with_its_reason_and_a_heading_is_none() -> None:
    heading = "| tool | rule | on | why it stays |\n|---|---|---|---|\n"
    assert reasons(f"words\n\n{heading}{ROW}\nwords") == {ONE.key: REASON}


def test_one_row_explains_a_rule_on_a_type_in_all_environments() -> None:
    verdict = judge(found(ONE, OTHER), reasons(ROW))
    assert verdict.good
    assert list(complaints(verdict)) == []


@pytest.mark.parametrize(
    "row",
    [
        "",
        ROW.replace("CKV_AWS_27", "CKV_AWS_28"),
        ROW.replace("AWS::SQS::Queue", "AWS::SNS::Topic"),
        ROW.replace("checkov", "control-tower"),
    ],
)
def test_a_finding_without_its_row_is_unexplained_and_says_where(row: str) -> None:
    verdict = judge(found(ONE, OTHER), reasons(row))
    assert not verdict.good
    said = list(complaints(verdict))
    assert said[0] == "unexplained: checkov CKV_AWS_27 on AWS::SQS::Queue: Ensure it is encrypted"
    assert said[1:3] == ["    dev/S/Queue", "    prod/S/Queue"]


def test_a_reason_without_finding_is_stale() -> None:
    verdict = judge(found(), reasons(ROW))
    assert not verdict.good
    assert list(complaints(verdict)) == [
        "stale: checkov CKV_AWS_27 on AWS::SQS::Queue is explained, but no longer found: remove its row"
    ]


def test_a_gate_takes_no_reason() -> None:
    verdict = judge(found(ONE, gate=True), reasons(ROW))
    assert list(verdict.unexplained) == list(verdict.stale) == [ONE.key]


def test_too_few_words_are_no_reason() -> None:
    verdict = judge(found(ONE), reasons(ROW.replace(REASON, "x" * (SHORTEST_REASON - 1))))
    assert not verdict.good
    assert list(complaints(verdict)) == [
        "thin: checkov CKV_AWS_27 on AWS::SQS::Queue: say in docs/security.md why it stays"
    ]


def test_nothing_is_explained_twice() -> None:
    with pytest.raises(ValueError, match="explained twice"):
        reasons(ROW + ROW)


def test_the_summary_counts_findings_and_distinct_rules() -> None:
    outcome = Outcome(tool="checkov", version="3", findings=(ONE, OTHER), passed={"dev": 5, "prod": 6})
    assert list(summary([outcome])) == ["checkov 3: 2 findings, 11 passed, 1 rules: CKV_AWS_27"]
