"""Where tests run containers, and the image that they run."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from functools import cache
from pathlib import Path

import pytest

from examples.deployment import ROOT
from localcloud.runtimes import network, podman
from localcloud.session import LocalCloud

REQUIRED = "HPC_REQUIRE_NAMESPACES"
"""Set where this must be tested: what is missing is a failure there, and a skip that says so elsewhere."""


def need_containers() -> None:
    """Skip, or fail where it must not be skipped, without what containers need."""
    lack = podman.missing()
    if lack and os.environ.get(REQUIRED):
        pytest.fail(lack)
    if lack:
        pytest.skip(lack)


def leftovers() -> dict[str, list[str]]:
    """Return what containers of local clouds have left on this machine; the images alone may stay."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    found = {
        "containers": podman.podman("ps", "--all", "--quiet").split(),
        "mounts": [path for path in mounts if path.startswith(str(podman.CACHE / "storage" / "overlay" / ""))],
        "namespaces": [path.name for path in network.NAMESPACES.glob("lc*")],
        "interfaces": [path.name for path in Path("/sys/class/net").glob("lc*")],
        "processes": [entry.name for entry in Path("/proc").iterdir() if _belongs(entry)],
    }
    return {kind: names for kind, names in found.items() if names}


def _belongs(entry: Path) -> bool:
    try:
        return entry.name.isdigit() and str(podman.CACHE).encode() in (entry / "cmdline").read_bytes()
    except OSError:
        return False


@cache
def job_image() -> str:
    """Build the image of this source, as `make image` does; return its name."""
    build = [sys.executable, "-m", "tools.image", "build", "--base", "bootstrap"]
    ended = subprocess.run(
        build, cwd=ROOT, env=os.environ | podman.environment(), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    return ended.stdout.strip()


@cache
def small_image() -> str:
    """Return an image with one program, which waits until it is stopped."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(str(shutil.which("catatonit")), "catatonit", recursive=False)
    name = "localhost/waits"
    change = 'ENTRYPOINT ["/catatonit", "-P"]'
    command = ["podman", "import", "--quiet", "--change", change, "-", name]
    subprocess.run(command, input=archive.getvalue(), env=podman.environment(), capture_output=True, check=True)
    return name


def push(cloud: LocalCloud, repository: str, image: str) -> str:
    """Push an image to the emulated ECR; return its digest."""
    name = f"{cloud.url.removeprefix('http://')}/{repository.partition('/')[2]}:tests"
    digest = podman.CACHE / f"digest-{os.getpid()}"
    podman.podman("push", "--quiet", "--tls-verify=false", "--digestfile", str(digest), image, name)
    found = digest.read_text()
    digest.unlink()
    return found
