"""A deployment goes to the account that the YAML names, or nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.deployment import ACCOUNT, ROOT, Deployment
from localcloud.session import LocalCloud

pytestmark = pytest.mark.slow
OTHER = "111111111111"


def place(folder: Path, account: str) -> Path:
    """Write the minimal environment with an account."""
    environments = folder / f"environments-{account}"
    environments.mkdir()
    minimal = (ROOT / "environments" / "minimal.yaml").read_text(encoding="utf-8")
    text = minimal + f'account: "{account}"\nregion: us-east-1\ntermination_protection: true\n'
    (environments / "minimal.yaml").write_text(text, encoding="utf-8")
    return environments


def test_credentials_of_another_account_deploy_nothing(tmp_path: Path) -> None:
    with LocalCloud(tmp_path / "cloud") as cloud:
        right = Deployment(cloud, "minimal", tmp_path, place(tmp_path, ACCOUNT))
        right.bootstrap()
        wrong = place(tmp_path, OTHER)
        answer = right.attempt(
            "cdk", "deploy", "HpcMinimalFoundation", "-c", "env=minimal", "-c", f"environments={wrong}",
            "--require-approval", "never", "--output", str(tmp_path / "wrong"),
        )  # fmt: skip
        assert answer.returncode != 0
        assert OTHER in answer.stderr
        assert _stacks(right) == ["CDKToolkit"]

        right.deploy_foundation()
        assert _stacks(right) == ["CDKToolkit", "HpcMinimalFoundation"]


def _stacks(deployment: Deployment) -> list[str]:
    answer = deployment.run("python", "-c", _LIST)
    return sorted(answer.split())


_LIST = """
import boto3
for stack in boto3.client("cloudformation").describe_stacks()["Stacks"]:
    print(stack["StackName"])
"""
