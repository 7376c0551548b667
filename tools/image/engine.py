"""podman or docker, whichever there is."""

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
"""Names of machines, and what images and Debian call them."""


@dataclass(frozen=True)
class Engine:
    """A program that builds and pushes images; its messages are for people."""

    name: str
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """For its environment, besides this process's own."""

    def run(self, *arguments: str, stdin: str | None = None) -> None:
        """Run it, its progress on stderr.

        Raises:
            click.ClickException: it failed; it has said why itself.
        """
        # 2: what it says on stdout is no result of ours.
        environment = os.environ | self.variables
        done = subprocess.run([self.name, *arguments], input=stdin, text=True, stdout=2, env=environment, check=False)
        if done.returncode:
            raise click.ClickException(f"{self.name} {arguments[0]} ended with exit code {done.returncode}")

    def ask(self, *arguments: str) -> str | None:
        """Return what it says; None if it fails."""
        done = subprocess.run([self.name, *arguments], capture_output=True, text=True, check=False)
        return None if done.returncode else done.stdout.strip()

    def local(self, name: str) -> str:
        """Return what an image built here is called: podman has a registry `localhost` for these."""
        return f"localhost/{name}" if self.name == "podman" else name


def find(name: str | None = None, known: Sequence[str] = ENGINES) -> Engine:
    """Return the engine of that name, or the first that is installed.

    Raises:
        click.ClickException: there is none.
    """
    wanted = [name] if name else list(known)
    for candidate in wanted:
        if shutil.which(candidate):
            # Only BuildKit mounts what a build needs; docker before 23.0 has it and does not use it unasked.
            return Engine(candidate, {"DOCKER_BUILDKIT": "1"} if candidate == "docker" else {})
    raise click.ClickException(
        f"{' or '.join(wanted)} is needed and not installed; on Debian and Ubuntu, as root:"
        " apt-get install podman runc netavark aardvark-dns"
    )


def architecture(given: str | None = None) -> str:
    """Return `amd64` or `arm64`: the given one, else this machine's.

    Raises:
        click.ClickException: images are made for no other.
    """
    name = given or platform.machine()
    found = ARCHITECTURES.get(name, name)
    if found not in ARCHITECTURES.values():
        raise click.ClickException(f"architecture {name!r} given; the image is for {' and '.join(ARCHITECTURES)}")
    return found
