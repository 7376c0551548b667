"""A base image made from Debian packages, for machines without access to a registry.

It equals `debian:trixie-slim` with Debian's Python: packages of the current suite with security updates, no
documentation, no names of the build machine. It is not pinned: Debian's mirrors keep only the newest packages.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click

from tools.image.engine import Engine

SUITE = "trixie"
MIRROR = "http://deb.debian.org"
"""Signed by Debian's keys, which `mmdebstrap` checks: no TLS needed."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LEFT_OUT = ("doc", "groff", "info", "linda", "lintian", "locale", "man")


def image_name(architecture: str) -> str:
    return f"hpc-batch-base:{SUITE}-{architecture}"


def base(engine: Engine, cache: Path, architecture: str) -> str:
    """Return the name of the base image, made once, in about half a minute as root, and kept in `cache`.

    Raises:
        click.ClickException: `mmdebstrap` is missing or failed.
    """
    archive = cache / f"base-{SUITE}-{architecture}.tar"
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _make(archive, architecture)
    name = engine.local(image_name(architecture))
    if engine.ask("image", "inspect", name) is None:
        engine.run("import", "--change", f"ENV PATH={PATH}", str(archive), name)
    return name


def _make(archive: Path, architecture: str) -> None:
    if not shutil.which("mmdebstrap"):
        raise click.ClickException("BASE=bootstrap needs mmdebstrap: apt-get install mmdebstrap (Debian, Ubuntu)")
    unfinished = archive.with_suffix(".unfinished")
    sources = (
        f"deb {MIRROR}/debian {SUITE} main\n"
        f"deb {MIRROR}/debian {SUITE}-updates main\n"
        f"deb {MIRROR}/debian-security {SUITE}-security main\n"
    )
    command = [
        "mmdebstrap",
        "--variant=minbase",
        "--format=tar",
        f"--architectures={architecture}",
        "--include=python3,ca-certificates",
        '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT),
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        # mmdebstrap copies these from this machine; the engine gives each container new ones.
        '--customize-hook=rm -f "$1"/etc/hostname "$1"/etc/resolv.conf',
        SUITE,
        str(unfinished),
    ]
    done = subprocess.run([*command, "-"], input=sources, text=True, stdout=2, check=False)
    if done.returncode:
        unfinished.unlink(missing_ok=True)
        raise click.ClickException(f"mmdebstrap ended with exit code {done.returncode}")
    unfinished.rename(archive)
