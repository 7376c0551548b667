"""The container engine: podman or docker."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import click

ENGINES = ("podman", "docker")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Architecture names of images and Debian, by machine name."""


@dataclass(frozen=True)
class Engine:
    """A program that builds and pushes images."""

    name: str
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """Variables added to its environment."""

    def run(self, *arguments: str, stdin: str | None = None) -> None:
        """Run it with its output on stderr.

        Raises:
            click.ClickException: it failed and has printed why.
        """
        # 2: its stdout is not our result.
        environment = os.environ | self.variables
        done = subprocess.run([self.name, *arguments], input=stdin, text=True, stdout=2, env=environment, check=False)
        if done.returncode:
            raise click.ClickException(f"{self.name} {arguments[0]} ended with exit code {done.returncode}")

    def ask(self, *arguments: str) -> str | None:
        """Return its output, or None if it fails."""
        done = subprocess.run([self.name, *arguments], capture_output=True, text=True, check=False)
        return None if done.returncode else done.stdout.strip()

    def local(self, name: str) -> str:
        """Return the name of a locally built image, which podman prefixes with `localhost/`."""
        return f"localhost/{name}" if self.name == "podman" else name


def find(name: str | None = None, known: Sequence[str] = ENGINES) -> Engine:
    """Return the engine of that name, or the first one installed.

    Raises:
        click.ClickException: it is not installed.
    """
    wanted = [name] if name else list(known)
    for candidate in wanted:
        if shutil.which(candidate):
            # The build needs the mounts of BuildKit, which docker before 23.0 does not use by default.
            return Engine(candidate, {"DOCKER_BUILDKIT": "1"} if candidate == "docker" else {})
    raise click.ClickException(
        f"{' or '.join(wanted)} is needed and not installed; on Debian and Ubuntu, as root:"
        " apt-get install podman runc netavark aardvark-dns"
    )


def architecture(given: str | None = None) -> str:
    """Return `amd64` or `arm64`: the given one, else this machine's.

    Raises:
        click.ClickException: the architecture is not supported.
    """
    name = given or platform.machine()
    found = ARCHITECTURES.get(name, name)
    if found not in ARCHITECTURES.values():
        raise click.ClickException(f"architecture {name!r} given; the image is for {' and '.join(ARCHITECTURES)}")
    return found
