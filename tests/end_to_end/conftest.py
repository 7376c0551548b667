"""The app of `environments/dev.yaml`, deployed once by the real CDK CLI; tests submit with the real `hpc`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.deployment import Deployment
from localcloud.session import LocalCloud
from tests.end_to_end.support import Platform

TIME_SCALE = 0.05
"""Batch's shortest timeout is a minute; here it passes in three seconds."""


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    # The null executor is set by test_null_executor alone, which expects these tests to fail.
    executor = os.environ.get("HPC_TEST_EXECUTOR", "process")
    with LocalCloud(folder / "cloud", "--executor", executor, "--time-scale", str(TIME_SCALE)) as cloud:
        deployment = Deployment(cloud, "dev", folder)
        deployment.bootstrap()
        deployment.deploy_foundation()
        deployment.deploy_all(deployment.push_image())
        yield Platform(deployment)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "fetched"
