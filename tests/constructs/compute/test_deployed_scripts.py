"""User data holds the scripts without comments and docstrings: rewording one replaces no instance."""

import ast
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from hpc_constructs.compute import launch_template
from hpc_constructs.compute.host import install
from hpc_constructs.config import ComputeEnvironment
from hpc_constructs.instances import catalogue

OWN_TEXT = ("ECS_AGENT", "SCRATCH_FOLDER", "INSTANCE_STORE", "FILE_SYSTEM", "EFA_MODULES")


def synthesized() -> dict[str, Any]:
    """A template whose user data holds every script."""
    app = cdk.App(analytics_reporting=False)
    stack = cdk.Stack(app, "S")
    template = launch_template.LaunchTemplate(
        stack,
        "T",
        settings=ComputeEnvironment(efa=True, scratch="instance-store"),
        tags={"Name": "x"},
        efa_instance=catalogue()["p5.48xlarge"],
        efa_group_ids=["sg-1"],
        file_system=True,
    )
    cdk.CfnOutput(stack, "Hash", value=template.content_hash(None))
    return app.synth().get_stack_by_name("S").template


def reworded_comments(text: str) -> str:
    return re.sub(r"(^|\s)#(?!!).*$", r"\1# Said in other words.", text, flags=re.MULTILINE)


def more_comments(text: str) -> str:
    first, *rest = text.splitlines()
    return "\n".join([first, "# A new comment.", "", *rest, "# The end.", ""])


def reworded_docstrings(text: str) -> str:
    """Replace every docstring, the last first, so that the lines above keep their numbers."""
    lines = text.splitlines()
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Expr)]
    for node in sorted(found, key=lambda node: -node.lineno):
        if isinstance(node.value, ast.Constant):
            words = '"""Other words,\n\n# on three lines."""'
            lines[node.lineno - 1 : node.end_lineno] = [" " * node.col_offset + words]
    return "\n".join(lines) + "\n"


EDITS = [
    *((name, edit) for name in install.PLACES for edit in (reworded_comments, more_comments)),
    *((name, reworded_docstrings) for name in install.PLACES if name.endswith(".py")),
]


@pytest.mark.parametrize(("name", "edit"), EDITS, ids=[f"{name}-{edit.__name__}" for name, edit in EDITS])
def test_rewording_a_host_script_leaves_the_template_unchanged(
    name: str, edit: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = synthesized()
    shutil.copytree(install.SOURCE, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(install, "SOURCE", tmp_path)
    path = tmp_path / name
    text = edit(path.read_text())
    path.write_text(text)
    assert synthesized() == before


@pytest.mark.parametrize("name", OWN_TEXT)
def test_a_comment_in_the_launch_templates_text_leaves_the_template_unchanged(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = synthesized()
    monkeypatch.setattr(launch_template, name, "# A comment.\n" + getattr(launch_template, name))
    assert synthesized() == before


def test_code_in_a_script_changes_the_template(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = synthesized()
    shutil.copytree(install.SOURCE, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(install, "SOURCE", tmp_path)
    path = tmp_path / "hpc_host.py"
    path.write_text(path.read_text().replace("TIMEOUT_S = 5", "TIMEOUT_S = 6"))
    assert synthesized() != before
