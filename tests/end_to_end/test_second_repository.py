"""examples/platform-repo/, outside this checkout, with the wheels in place of the source: deployed, used, destroyed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from examples.deployment import ROOT, TOOLS, Deployment
from localcloud.session import LocalCloud
from tests.end_to_end.support import kept, stacks

pytestmark = pytest.mark.slow

OTHERS = "lab-reference"
"""The stack that is not ours."""


@dataclass(frozen=True)
class Repository:
    """A copy of the example, with a Python of its own that has both wheels."""

    folder: Path
    bin: Path

    def run(self, *command: str, **variables: str) -> str:
        surroundings = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PYTHONPATH"))}
        path = f"{self.bin}:{TOOLS}:{os.environ['PATH']}"
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**surroundings, **variables, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    folder = tmp_path_factory.mktemp("second")
    for source in (ROOT, ROOT / "constructs"):
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "dist")]
        subprocess.run(build, cwd=source, check=True, capture_output=True)
    home = folder / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    # The libraries of this checkout, which take minutes to install, without its editable installs.
    (site,) = home.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    wheels = [str(path) for path in (folder / "dist").glob("*.whl")]
    install = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", *wheels]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(home), *install], check=True)
    copy = shutil.copytree(ROOT / "examples" / "platform-repo", folder / "platform-repo")
    # What this folder may be called in other repositories.
    (copy / "stacks").mkdir()
    (copy / "stacks" / "__init__.py").touch()
    return Repository(copy, home / "bin")


def test_nothing_comes_from_this_checkout(repository: Repository) -> None:
    names = ("hpc", "hpc_constructs", "hpc_stacks", "stacks")
    found = repository.run(
        "python", "-c", f"import {', '.join(names)}; print(*(module.__file__ for module in ({', '.join(names)})))"
    )
    assert all(Path(path).is_relative_to(repository.folder.parent) for path in found.split())
    for name in ("localcloud", "tools", "app"):
        code = f"import importlib.util, sys; sys.path.remove(''); print(importlib.util.find_spec({name!r}))"
        assert repository.run("python", "-c", code) == "None"


def test_its_requirements_are_those_that_the_wheels_meet(repository: Repository) -> None:
    code = """
import importlib.metadata as metadata
from packaging.requirements import Requirement
for line in open("requirements.txt").read().split("\\n"):
    if line and not line.startswith("#"):
        wanted = Requirement(line)
        assert metadata.version(wanted.name) in wanted.specifier, line
for name in ("hpc-batch", "hpc-batch-platform"):
    for wanted in map(Requirement, metadata.requires(name)):
        assert metadata.version(wanted.name) in wanted.specifier, wanted
"""
    repository.run("python", "-c", code)


def test_it_is_checked_deployed_used_and_destroyed(repository: Repository, tmp_path: Path) -> None:
    with LocalCloud(tmp_path / "cloud") as cloud:
        deployment = Deployment(cloud, "lab", tmp_path, environments=repository.folder / "environments")

        def cdk(*arguments: str) -> str:
            command = ("cdk", "--no-notices", "--ci", *arguments, "--context", "env=lab")
            return repository.run(*command, **deployment.variables)

        deployment.bootstrap()
        outputs = ["--require-approval", "never", "--outputs-file", str(tmp_path / "outputs.json")]
        cdk("deploy", deployment.foundation_stack, *outputs)
        digest = deployment.push_image()
        cdk("deploy", "--all", "--require-approval", "never", "--context", f"image_digest={digest}")
        assert {*stacks(cloud)} == {"CDKToolkit", "HpcLabFoundation", "HpcLabCompute", "HpcLabOperations", OTHERS}
        printed = repository.run("hpc", "submit", "--wait", "--", "echo", "from the wheel", **deployment.variables)
        assert "from the wheel" in repository.run("hpc", "logs", printed, **deployment.variables)
        cdk("destroy", OTHERS, "--force")
        deployment.cdk("synth", "--quiet")
        deployment.destroy_all()
        assert stacks(cloud) == ["CDKToolkit"]
        assert kept(cloud) == {}
