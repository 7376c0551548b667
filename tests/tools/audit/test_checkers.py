"""A checker that finds nothing has looked."""

import json
from pathlib import Path

import pytest

from tools.audit.checkers import cfn_lint


@pytest.mark.slow
def test_cfn_lint_is_a_gate_that_sees_what_cloudformation_would_refuse(tmp_path: Path) -> None:
    path = tmp_path / "dev" / "Bad.template.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"Resources": {"Data": {"Type": "AWS::S3::Bucket", "Properties": {"Colour": "red"}}}}))
    outcome = cfn_lint([path])
    assert outcome.gate
    assert [(item.rule, item.where) for item in outcome.findings] == [("E3002", "dev/Bad.template.json:1")]
