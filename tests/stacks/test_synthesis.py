"""Templates: the same twice, without network or credentials, and clean."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from app import ENVIRONMENTS
from hpc_constructs.config import available
from hpc_stacks import app
from tools.audit.checkers import cfn_lint

ROOT = Path(__file__).parents[2]
KNOWN = ", ".join(available(ENVIRONMENTS))
NO_SUCH_ENVIRONMENT = f"-c env: 'nope' given; allowed: {KNOWN}; fix: write -c env="
BIN = Path(sys.executable).parent
PATH = f"{BIN}:{ROOT / 'node_modules' / '.bin'}:{os.environ['PATH']}"


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home without credentials, for all runs: jsii unpacks its libraries there once."""
    return tmp_path_factory.mktemp("home")


def run_app(folder: Path, environment: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run app.py as the CDK CLI does, with nothing of this shell's surroundings."""
    variables = {
        "PATH": PATH,
        "HOME": str(home),
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_OUTDIR": str(folder),
        "CDK_CONTEXT_JSON": json.dumps({"env": environment}),
        "CDK_VALIDATION": "false",
    }
    return subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["dev", "isolated", "minimal"])
def test_two_processes_write_the_same_bytes(environment: str, tmp_path: Path, home: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        done = run_app(folder, environment, home)
        assert done.returncode == 0, done.stderr
    templates = [sorted(folder.glob("*.template.json")) for folder in folders]
    assert [path.name for path in templates[0]] == [path.name for path in templates[1]]
    assert len(templates[0]) == 3
    for one, two in zip(*templates, strict=True):
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.slow
def test_cfn_lint_finds_nothing_in_what_the_environments_of_the_repository_do_not_use(wide: Any) -> None:
    """Those of the repository are linted by `make audit`."""
    assert cfn_lint([template.path for template in wide.templates]).findings == ()


def test_nothing_is_looked_up_and_nothing_uploaded_but_templates(stacks: Any) -> None:
    manifest = json.loads((stacks.folder / "manifest.json").read_text())
    assert "missing" not in manifest
    for path in stacks.folder.glob("*.assets.json"):
        assets = json.loads(path.read_text())
        assert not assets["dockerImages"]
        assert all(item["source"]["path"].endswith(".template.json") for item in assets["files"].values())


def test_no_custom_resource_and_no_function(stacks: Any) -> None:
    for template in stacks.templates:
        for item in template.resources.values():
            assert item["Type"] not in {"AWS::Lambda::Function", "AWS::CloudFormation::CustomResource"}
            assert not item["Type"].startswith("Custom::")


def test_account_and_region_of_the_configuration_are_those_of_the_stacks(wide: Any, dev: Any) -> None:
    def environments(stacks: Any) -> set[str]:
        artifacts = json.loads((stacks.folder / "manifest.json").read_text())["artifacts"]
        return {item["environment"] for item in artifacts.values() if item["type"] == "aws:cloudformation:stack"}

    assert environments(wide) == {"aws://123456789012/us-east-2"}
    assert environments(dev) == {"aws://unknown-account/unknown-region"}


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (
            {"env": "nope"},
            NO_SUCH_ENVIRONMENT,
        ),
        ({}, "-c env: nothing given; allowed: dev, "),
        ({"env": "dev", "image_digest": "latest"}, "-c image_digest: 'latest' given; allowed: sha256:"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_exit_code_2(
    context: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app, "new_app", lambda: cdk.App(context=context))
    with pytest.raises(SystemExit) as caught:
        app.main(ENVIRONMENTS)
    captured = capsys.readouterr()
    assert caught.value.code == 2
    assert captured.out == ""
    assert captured.err.startswith(expected)
    assert len(captured.err.splitlines()) == 1


def test_environments_may_lie_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "corporate.yaml").write_text("")
    context = {"env": "dev", "environments": str(tmp_path)}
    monkeypatch.setattr(app, "new_app", lambda: cdk.App(context=context))
    with pytest.raises(SystemExit):
        app.main(ENVIRONMENTS)
    assert "-c env: 'dev' given; allowed: corporate; fix" in capsys.readouterr().err


@pytest.mark.slow
def test_a_mistake_reaches_the_user_of_the_cdk_cli_without_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        ["cdk", "synth", "-c", "env=nope", "-o", str(tmp_path / "out")],
        cwd=ROOT,
        env={**os.environ, "PATH": PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert NO_SUCH_ENVIRONMENT in done.stderr
    assert "exited with error 2" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
