"""How a container starts and ends: as a process of this machine, or as a container of podman."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from localcloud.batch.model import Attempt, Job
from localcloud.batch.volumes import Mount
from localcloud.json_types import Json
from localcloud.process_group import RunningProcess


@dataclass(frozen=True, kw_only=True)
class Task:
    """A container that is to run: everything that does not depend on how."""

    member: Job
    """The job, or the node of a multi-node job."""
    attempt: Attempt
    folder: Path
    """Its own; gone when it has ended."""
    image: Json
    """The image's configuration."""
    mounts: tuple[Mount, ...]
    secrets: dict[str, str]
    variables: dict[str, str]
    """Those of the service (https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html)."""
    marker: str
    """In the environment of all its processes, and nowhere else."""
    write: Callable[[bytes], None]
    """Takes what it prints."""


class StartError(Exception):
    """A container cannot start; the text is what ECS gives as its reason."""

    def __init__(self, reason: str, exit_code: int | None = None) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


class Runtime(Protocol):
    def next_address(self) -> str:
        """Return an IPv4 address that no other node has or soon gets."""
        ...

    async def pull(self, image: str) -> Json:
        """Make an image ready; return its configuration.

        Raises:
            ImageError: it cannot be pulled.
        """
        ...

    async def start(self, task: Task) -> RunningProcess:
        """Start a container.

        Raises:
            StartError: it does not start.
        """
        ...

    async def remove(self, task: Task) -> str | None:
        """Remove what is left of a container that ended or did not start; return why it ended, if that is known."""

    def cut(self, attempt: Attempt, other: Attempt | None, port: int | None) -> None:
        """Let nothing pass between a container and another one, at one TCP port or at all; without another one,
        between it and everything.

        Raises:
            NotModelledError: there is no network to cut.
        """

    def close(self) -> None:
        """Take down what all containers shared."""
