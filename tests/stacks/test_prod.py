"""The production environment of the repository."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app import ENVIRONMENTS

STATEFUL = ("AWS::S3::Bucket", "AWS::ECR::Repository", "AWS::Logs::LogGroup")


@pytest.fixture
def prod(synthesized: Any) -> Any:
    return synthesized((ENVIRONMENTS / "prod.yaml").read_text(encoding="utf-8"))


def test_it_is_careful_and_complete(prod: Any) -> None:
    for kind in STATEFUL:
        kept = [item for item in prod.foundation.resources.values() if item["Type"] == kind]
        assert {item["DeletionPolicy"] for item in kept} == {"RetainExceptOnCreate"}, kind
    logs = prod.foundation.resources["LogsGroupCBD9C6A0"]  # the jobs'; its logical id never changes
    assert logs["Properties"]["RetentionInDays"] == 365
    assert prod.environment.ami_refresh
    assert len(prod.environment.projects) == 2
    assert not any(item.enable_execute_command for item in prod.environment.definitions.values())
    container = prod.definition("local-disk", "research")["ContainerProperties"]
    assert container["ReadonlyRootFilesystem"] is True
    assert "/scratch" in {mount["ContainerPath"] for mount in container["MountPoints"]}


def test_cfn_lint_finds_nothing_in_production(prod: Any) -> None:
    templates = [str(template.path) for template in prod.templates]
    done = subprocess.run(
        [str(Path(sys.executable).with_name("cfn-lint")), *templates], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
