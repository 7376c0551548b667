"""The workflow of forks is one that an attacker's pull request cannot use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
WORKFLOW: dict[str, Any] = YAML(typ="safe").load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
TARGETS = re.findall("^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_actions_are_pinned_by_commit() -> None:
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert used
    for action in used:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action), action


def test_no_command_holds_text_of_a_pull_request() -> None:
    for step in STEPS:
        assert "${{" not in step.get("run", ""), step


def test_only_a_job_that_runs_none_of_its_code_may_write() -> None:
    assert WORKFLOW["permissions"] == {}
    assert "pull_request_target" not in WORKFLOW["on"]
    assert "workflow_run" not in WORKFLOW["on"]
    for name, job in WORKFLOW["jobs"].items():
        checked_out = any("actions/checkout" in step.get("uses", "") for step in job["steps"])
        assert checked_out is (job["permissions"] == {"contents": "read"}), name
        if not checked_out:
            assert job["permissions"] == {"pull-requests": "write"}
            assert "head.repo.full_name == github.repository" in job["if"]
        for step in job["steps"]:
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("file", [".github/workflows/ci.yml", ".pre-commit-config.yaml", "CONTRIBUTING.md"])
def test_every_target_of_make_that_is_named_exists(file: str) -> None:
    call = r"(?:`|run: |entry: |^    )make (?:--silent )?([a-z-]+)"
    named = set(re.findall(call, (ROOT / file).read_text(), re.MULTILINE))
    assert named
    assert named <= {*TARGETS}
