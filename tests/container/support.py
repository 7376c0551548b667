"""podman for tests: what it needs, where it keeps its things, and the image, built once."""

from __future__ import annotations

import functools
import os
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from localcloud.runtimes import podman_config
from localcloud.runtimes.podman import missing
from tools.image import bootstrap, context
from tools.image.engine import Engine, architecture
from tools.namespaces import REQUIRED

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".local" / "podman"
CANARY = f"canary-{secrets.token_hex(16)}"
"""Known to the machine that builds, in more than one way; must not be known to the image."""


@functools.cache
def environment() -> Mapping[str, str]:
    """Return the environment for every call of podman; skip or fail where it cannot run."""
    if wrong := missing():
        if REQUIRED in os.environ:
            pytest.fail(wrong)
        pytest.skip(wrong)
    return os.environ | podman_config.environment(FOLDER)


def run(*arguments: str, check: bool = True, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run podman."""
    command = ["podman", *arguments]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=timeout_s, check=False)
    if check:
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done


@functools.cache
def build(target: str = "runtime") -> str:
    """Build the image as the README says, where no registry is reached; return its name."""
    known = {"HPC_CANARY": CANARY, "PIP_FIND_LINKS": f"{os.environ.get('PIP_FIND_LINKS', '')} /nowhere/{CANARY}"}
    done = subprocess.run(
        ["make", "--silent", "image", "BASE=bootstrap", f"TARGET={target}"],
        cwd=ROOT, env={**environment(), **known}, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def build_anew(folder: Path, fabric: str = "tcp", target: str = "runtime") -> subprocess.CompletedProcess[str]:
    """Build from a folder that `tools.image.context` filled, past the cache; its stdout is the image's id."""
    base = Engine("podman").local(bootstrap.image_name(architecture()))
    arguments = ["--build-arg", f"FABRIC={fabric}", "--build-arg", f"BASE_IMAGE={base}", "--target", target]
    network = ["--network", "none"] if fabric == "tcp" else []
    return run("build", "--quiet", "--no-cache", *network, *arguments, str(folder), check=False, timeout_s=300)


def gather(folder: Path, installer: Path | None = None) -> Path:
    """Fill a folder to build from, with the wheels that `build` has left."""
    folder.mkdir()
    context.gather(folder, ROOT / ".local" / "image" / "wheels", architecture(), installer)
    return folder
