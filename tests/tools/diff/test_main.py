"""`make diff` on a repository: the base is made by its own source, the working tree by what lies there now."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tools.diff.__main__ import main
from tools.diff.base import commit_of
from tools.synthesis import ROOT

SOURCE = ["app.py", "cdk.json", "environments", "constructs", "hpc", "requirements.txt"]
IGNORED = shutil.ignore_patterns("__pycache__")


def git(repository: Path, *arguments: str) -> str:
    author = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(repository), *author, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One commit of this source with two environments; the test's edits are not committed."""
    folder = tmp_path_factory.mktemp("repository")
    for name in SOURCE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=IGNORED)
        else:
            shutil.copy(ROOT / name, folder / name)
    for path in (folder / "environments").glob("*.yaml"):
        if path.stem not in {"dev", "minimal"}:
            path.unlink()
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=base")
    template = folder / "constructs" / "hpc_constructs" / "compute" / "launch_template.py"
    template.write_text(template.read_text().replace("modprobe efa || true", "modprobe -v efa || true"))
    environments = folder / "environments"
    (environments / "minimal.yaml").rename(environments / "least.yaml")
    return folder


def run(repository: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--root", str(repository)])


@pytest.fixture(scope="module")
def report(repository: Path) -> dict[str, Any]:
    done = run(repository, "main", "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.slow
def test_an_edit_of_the_source_is_found_although_this_one_is_installed(report: dict[str, Any]) -> None:
    changes = report["environments"]["dev"]["changes"]
    assert [(item["verdict"], item["construct"].split("/", 1)[1]) for item in changes] == [
        ("infrastructure update", "ComputeEnvironments/efa"),
        ("in place", "ComputeEnvironments/efa/LaunchTemplate/Template"),
    ]
    (edit,) = changes[1]["edits"]
    assert "modprobe efa" in edit["old"]
    assert "modprobe -v efa" in edit["new"]


@pytest.mark.slow
def test_environments_that_come_and_go_are_named(report: dict[str, Any]) -> None:
    found = report["environments"]
    assert {name: item["presence"] for name, item in found.items()} == {
        "dev": "both",
        "least": "added",
        "minimal": "removed",
    }
    assert found["least"]["summary"].startswith("a new environment, ")
    assert "stay deployed until the stacks are destroyed" in found["minimal"]["summary"]


@pytest.mark.slow
def test_the_repository_is_left_as_it_was(repository: Path, report: dict[str, Any]) -> None:
    assert report["commit"] == git(repository, "rev-parse", "main")
    assert git(repository, "worktree", "list").count("\n") == 0
    assert "modprobe -v efa" in git(repository, "diff")


@pytest.mark.slow
def test_one_environment_can_be_asked_for_and_reads_as_markdown(repository: Path) -> None:
    done = run(repository, "HEAD", "--env", "dev")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("###")] == ["### dev: 1 infrastructure update, 1 in place"]
    assert any("AWS::Batch::ComputeEnvironment (HpcDevCompute/ComputeEnvironments/efa)" in line for line in lines)
    assert "cfn-lint" in lines[-1]


@pytest.mark.slow
def test_environments_of_another_repository_are_the_same_on_both_sides(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text("")
    done = run(repository, "main", "--json", "--environments", str(tmp_path))
    assert done.exit_code == 0, done.output
    (changed,) = json.loads(done.stdout)["environments"].items()
    assert changed[0] == "lab"
    assert {item["verdict"] for item in changed[1]["changes"]} == {"infrastructure update", "in place"}


@pytest.mark.slow
def test_an_environment_that_cannot_be_synthesized_says_why(repository: Path) -> None:
    broken = repository / "environments" / "broken.yaml"
    broken.write_text("networks: {}\n")
    done = run(repository, "main", "--env", "broken")
    broken.unlink()
    assert done.exit_code == 1
    assert "environments/broken.yaml:1" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("ref", ["no-such-branch", "--all", "HEAD:app.py"])
def test_an_unknown_ref_is_the_users_mistake(ref: str) -> None:
    done = CliRunner().invoke(main, ["--", ref])
    assert done.exit_code == 2
    assert f"{ref!r} names no commit" in done.stderr
    assert done.stdout == ""


def test_an_unknown_environment_is_the_users_mistake() -> None:
    done = CliRunner().invoke(main, ["HEAD", "--env", "nope"])
    assert done.exit_code == 2
    assert "--env: 'nope' given; allowed: dev, " in done.stderr


def test_a_commit_is_known_by_any_of_its_names() -> None:
    assert commit_of(ROOT, "HEAD") == git(ROOT, "rev-parse", "HEAD")
