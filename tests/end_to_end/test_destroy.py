from __future__ import annotations

from pathlib import Path

import pytest

from examples.deployment import Deployment
from localcloud.session import LocalCloud
from tests.end_to_end.support import NewDeployment, deploy, kept, stacks

pytestmark = pytest.mark.slow


def test_an_environment_with_data_goes_and_leaves_nothing(tmp_path: Path, new_deployment: NewDeployment) -> None:
    with LocalCloud(tmp_path / "cloud") as cloud:
        deployment = new_deployment(cloud, "dev", tmp_path)
        deploy(deployment)
        deployment.hpc("submit", "--wait", "--output", "OUT", "--", "bash", "-c", "echo data > $OUT")
        deployment.destroy_all()
        assert stacks(cloud) == ["CDKToolkit"]
        assert kept(cloud) == {}


def test_an_environment_whose_data_is_kept_is_not_emptied(tmp_path: Path) -> None:
    with LocalCloud(tmp_path / "cloud") as cloud:
        answer = Deployment(cloud, "minimal", tmp_path).attempt("python", "-m", "tools.destroy", "minimal", "--yes")
    assert answer.returncode == 1
    assert "removal: retain" in answer.stderr
