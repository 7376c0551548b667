"""The interface of runtimes: a container is a process of this machine or a podman container."""

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
    """A container to run, described independently of the runtime."""

    member: Job
    """The job, or the node of a multi-node job."""
    attempt: Attempt
    folder: Path
    """Temporary: removed when the container has ended."""
    image: Json
    """The image's configuration."""
    mounts: tuple[Mount, ...]
    secrets: dict[str, str]
    variables: dict[str, str]
    """Variables set by the service (https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html)."""
    marker: str
    """Unique text in the environment of all its processes."""
    write: Callable[[bytes], None]
    """Receives its output."""


class StartError(Exception):
    """A container cannot start; the text is the reason that ECS reports."""

    def __init__(self, reason: str, exit_code: int | None = None) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


class Runtime(Protocol):
    def next_address(self) -> str:
        """Return an unused IPv4 address."""
        ...

    async def pull(self, image: str) -> Json:
        """Pull an image and return its configuration.

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
        """Clean up after a container that ended or did not start; return why it ended, if known."""

    def cut(self, attempt: Attempt, other: Attempt | None, port: int | None) -> None:
        """Drop traffic between a container and `other`, or everything if None, on one TCP port or all ports.

        Raises:
            NotModelledError: the runtime has no networks.
        """

    def close(self) -> None:
        """Remove the resources that containers share."""
