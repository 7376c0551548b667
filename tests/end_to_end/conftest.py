"""The app of `environments/dev.yaml`, deployed once by the real CDK CLI; tests submit with the real `hpc`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from examples.deployment import ROOT
from localcloud.session import LocalCloud
from tests import workers
from tests.end_to_end.support import NewDeployment, Platform, Synthesized, deploy

TOOLS = ".local/clients/.installed"
TIME_SCALE = 0.05
"""Batch's shortest timeout is a minute; here it passes in three seconds."""

CLIENTS = """
removal: destroy
logs: {group: /aws/batch/job}
projects: {default: {workflow: {}}}
"""


@pytest.fixture(scope="session")
def new_deployment(tmp_path_factory: pytest.TempPathFactory) -> NewDeployment:
    """Makes a `Deployment` that shares its cloud assembly with the other workers."""
    return partial(Synthesized, shared=workers.shared(tmp_path_factory))


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory, new_deployment: NewDeployment) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    # The null executor is set by test_null_executor alone, which expects these tests to fail.
    executor = os.environ.get("HPC_TEST_EXECUTOR", "process")
    with LocalCloud(folder / "cloud", "--executor", executor, "--time-scale", str(TIME_SCALE)) as cloud:
        deployment = new_deployment(cloud, "dev", folder)
        deploy(deployment)
        yield Platform(deployment)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "fetched"


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory, new_deployment: NewDeployment) -> Iterator[Platform]:
    """An environment for clients that are not `hpc`: with a workflow, and with the log group that some expect."""
    folder = tmp_path_factory.mktemp("clients")
    (folder / "clients.yaml").write_text(CLIENTS)
    with LocalCloud(folder / "cloud", "--time-scale", str(TIME_SCALE)) as cloud:
        deployment = new_deployment(cloud, "clients", folder, environments=folder)
        deploy(deployment)
        yield Platform(deployment)


@pytest.fixture(scope="session")
def client_tools() -> Path:
    """Folder of programs that nobody here wrote: Luigi and the AWS CLI, pinned, in an environment of their own."""
    done = subprocess.run(
        ["make", f"PYTHON={sys.executable}", TOOLS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return (ROOT / TOOLS).parent / "bin"
