"""Containers as processes of this machine: no root, nothing to install, little isolation."""

from __future__ import annotations

import itertools
import random
import sys
from pathlib import Path

from localcloud.batch.errors import NotModelledError
from localcloud.batch.job_variables import command_line
from localcloud.batch.model import Attempt
from localcloud.batch.volumes import through_mounts
from localcloud.json_types import Json
from localcloud.process_group import RunningProcess
from localcloud.runtimes import StartError, Task
from localcloud.services.ecr import image_config

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ProcessRuntime:
    def __init__(self) -> None:
        self._addresses = itertools.count(random.randrange(1 << 20))  # noqa: S311 - spread, not secrecy

    def next_address(self) -> str:
        """Return a loopback address, from 127.64.0.1 on."""
        high, low = divmod(next(self._addresses), 254)
        return f"127.{64 + (high >> 8) % 128}.{high & 255}.{low + 1}"

    async def pull(self, image: str) -> Json:
        return image_config(image)

    async def start(self, task: Task) -> RunningProcess:
        argv = command_line(task.member.container, task.image)
        for name in ("tmp", "work"):
            (task.folder / name).mkdir()
        try:
            return RunningProcess(argv, _variables(task), task.folder / "work", task.marker, task.write)
        except (OSError, IndexError) as error:
            raise StartError(f'CannotStartContainerError: exec "{argv[0] if argv else ""}": {error}', 127) from error

    async def remove(self, task: Task) -> str | None:
        """Return None: the caller removes the task's folder, which holds everything."""

    def cut(self, attempt: Attempt, other: Attempt | None, port: int | None) -> None:  # noqa: ARG002 - processes have no networks
        raise NotModelledError("networks between processes; the container executor has them")

    def close(self) -> None:
        """Do nothing: processes share nothing."""


def _variables(task: Task) -> dict[str, str]:
    """Return the complete environment, without that of the local cloud itself."""
    return {
        **task.secrets,
        "PATH": f"{Path(sys.executable).parent}:{SYSTEM_PATH}",
        **dict(item.split("=", 1) for item in task.image.get("Env") or []),
        **{item["name"]: through_mounts(task.mounts, item["value"]) for item in task.member.container["environment"]},
        "HOME": str(task.folder / "work"),
        "TMPDIR": str(task.folder / "tmp"),
        **task.variables,
    }
