"""What tests of the container executor share."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

from localcloud.runtimes import network, podman
from localcloud.session import LocalCloud
from tests.container import support


def leftovers() -> dict[str, list[str]]:
    """Return what containers of local clouds have left on this machine; the images alone may stay."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    found = {
        "containers": podman.podman("ps", "--all", "--quiet", "--filter", "label=localcloud").split(),
        "mounts": [path for path in mounts if path.startswith(str(podman.FOLDER / "storage" / "overlay" / ""))],
        "namespaces": [path.name for path in network.NAMESPACES.glob("lc*")],
        "interfaces": [path.name for path in Path("/sys/class/net").glob("lc*")],
        "processes": [entry.name for entry in Path("/proc").iterdir() if _belongs(entry)],
    }
    return {kind: names for kind, names in found.items() if names}


def left_since(before: dict[str, list[str]], timeout_s: float = 10) -> dict[str, list[str]]:
    """Return what is left besides what was there before, once the kernel and conmon have had the time to go."""
    deadline = time.monotonic() + timeout_s
    while True:
        now = leftovers()
        new = {kind: sorted(set(names) - set(before.get(kind, []))) for kind, names in now.items()}
        if not any(new.values()) or time.monotonic() > deadline:
            return {kind: names for kind, names in new.items() if names}
        time.sleep(0.1)


def _belongs(entry: Path) -> bool:
    try:
        return entry.name.isdigit() and str(podman.FOLDER).encode() in (entry / "cmdline").read_bytes()
    except OSError:
        return False


@cache
def small_image() -> str:
    """Return an image with one program, which waits until it is stopped."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(str(shutil.which("catatonit")), "catatonit", recursive=False)
    name = "localhost/waits"
    change = 'ENTRYPOINT ["/catatonit", "-P"]'
    command = ["podman", "import", "--quiet", "--change", change, "-", name]
    subprocess.run(command, input=archive.getvalue(), env=support.environment(), capture_output=True, check=True)
    return name


def world_of(world_type: Any, cloud: LocalCloud, image: str) -> Any:
    """Return a set-up world whose definitions run an image of podman's."""
    world = world_type(cloud)
    world.set_up()
    repository = world.image.partition("@")[0]
    world.image = f"{repository}@{push(cloud, repository, image)}"
    return world


def push(cloud: LocalCloud, repository: str, image: str) -> str:
    """Push an image to the emulated ECR; return its digest."""
    name = f"{cloud.url.removeprefix('http://')}/{repository.partition('/')[2]}:tests"
    with tempfile.NamedTemporaryFile("r") as digest:
        support.run("push", "--quiet", "--tls-verify=false", "--digestfile", digest.name, image, name, timeout_s=300)
        return Path(digest.name).read_text()
