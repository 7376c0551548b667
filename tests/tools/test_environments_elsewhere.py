"""Every tool takes the environments of another repository."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tools import destroy, golden
from tools.synthesis import ROOT


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "platform" / "environments"
    folder.mkdir(parents=True)
    (folder / "lab.yaml").write_text("removal: destroy\n")
    return folder


class NoService:
    """A client that takes every call."""

    def __getattr__(self, name: str) -> Any:
        return lambda **_: None


def test_destroy_finds_a_relative_folder_although_cdk_runs_in_this_one(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        ran.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.chdir(elsewhere.parent)
    monkeypatch.setattr(destroy, "_buckets_of", lambda _: ("data", "logs"))
    monkeypatch.setattr(destroy, "_empty", lambda _: 0)
    monkeypatch.setattr(destroy.boto3, "client", lambda _: NoService())
    monkeypatch.setattr(destroy.subprocess, "run", run)
    done = CliRunner().invoke(destroy.main, ["lab", "--yes", "--environments", "environments"])
    assert done.exit_code == 0, done.output
    assert f"environments={elsewhere}" in ran[0]


def test_destroy_names_the_environments_that_the_folder_has(elsewhere: Path) -> None:
    done = CliRunner().invoke(destroy.main, ["dev", "--yes", "--environments", str(elsewhere)])
    assert done.exit_code == 1
    assert "'dev' given; allowed: lab" in done.stderr


@pytest.mark.parametrize("target", ["synth", "golden", "diff", "destroy", "push"])
def test_make_hands_the_folder_over(target: str) -> None:
    command = ["make", "--dry-run", target, "ENV=lab", "ENVIRONMENTS=../other repo/environments"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert '../other repo/environments"' in done.stdout


@pytest.mark.slow
def test_golden_templates_lie_next_to_their_environments_and_are_checked(elsewhere: Path) -> None:
    def run(*arguments: str) -> int:
        return CliRunner().invoke(golden.main, ["--environments", str(elsewhere), *arguments]).exit_code

    assert run("--check") == 1
    assert run() == 0
    assert [path.name for path in (elsewhere / "golden").iterdir()] == ["lab"]
    assert run("--check") == 0
    (elsewhere / "lab.yaml").unlink()
    assert run("--check") == 1
