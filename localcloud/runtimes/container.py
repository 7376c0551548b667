"""Containers of podman and runc, each in a separate network namespace and attached to one `podman run` process."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import signal
from pathlib import Path

from localcloud.batch.model import Attempt
from localcloud.json_types import Json
from localcloud.process_group import RunningProcess
from localcloud.runtimes import StartError, Task, memory, network, podman
from localcloud.runtimes.network import Bridge, Namespace
from localcloud.runtimes.options import run_options
from localcloud.services.ecr import ImageError, find_image, split_uri
from localcloud.settings import HOST, Settings

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html"""
POLL_S = 0.01
NOT_YET = "runc:["
"""Prefix of the first process's name until runc executes the image's entrypoint."""
FAILED = 125
"""Exit code of a failure of `podman run` itself; 126 and 127 mean that the program could not be executed."""


class RunningContainer(RunningProcess):
    """A container. Exit code and output come from `podman run`; signals go to its first process."""

    def __init__(self, argv: list[str], env: dict[str, str], task: Task) -> None:
        self._task = task
        self._pid_file = task.folder / "pid"
        self._early: bytearray | None = bytearray()
        """Output until the container runs: podman's error if it does not start."""
        self._first: int | None = None
        self.memory_events: int | None = None
        super().__init__(argv, env, task.folder, task.marker, self._take)

    def _take(self, data: bytes) -> None:
        if self._early is None:
            self._task.write(data)
        else:
            self._early += data

    async def started(self) -> None:
        """Wait until the container runs.

        Raises:
            StartError: it never will.
        """
        while not self._pid_file.exists() and not self.exited.done():
            await asyncio.sleep(POLL_S)
        early, self._early = bytes(self._early or b""), None
        if not self._pid_file.exists():
            code, said = self.exited.result(), early.decode(errors="replace")
            raise StartError(f"CannotStartContainerError: {podman.last_line(said)}", code if code > FAILED else None)
        self._task.write(early)
        self.pid = int(self._pid_file.read_text())
        with contextlib.suppress(OSError):  # it has already ended
            first = self._first = os.pidfd_open(self.pid)
            self.exited.add_done_callback(lambda _: os.close(first))
            self.memory_events = memory.watch(self.pid)
            while Path(f"/proc/{self.pid}/comm").read_text().startswith(NOT_YET):
                await asyncio.sleep(POLL_S)

    def signal(self, number: int) -> None:
        if not self.exited.done() and self._first is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, number)


class ContainerRuntime:
    def __init__(self, settings: Settings) -> None:
        """Prepare the network.

        Raises:
            OSError: this machine cannot run containers.
        """
        lack = podman.missing()
        if lack:
            raise OSError(lack)
        self._url = settings.url
        port = int(settings.url.rpartition(":")[2])
        podman.remove_containers(self._url)
        self._bridge = Bridge(port)
        self._registry = f"{HOST}:{port}"
        self._numbers = itertools.count(random.randrange(1 << 15))  # noqa: S311 - spread, not secrecy
        self._namespaces: dict[str, Namespace] = {}
        self._pulls: dict[str, asyncio.Task[str]] = {}

    def next_address(self) -> str:
        """Return an address of the bridge's network, from 10.88.0.1 on."""
        high, low = divmod(next(self._numbers), 254)
        return f"10.88.{high & 255}.{low + 1}"

    async def pull(self, image: str) -> Json:
        """Pull the digest that the reference resolves to now, once for all containers."""
        digest, config = find_image(image)
        if digest not in self._pulls:
            name = f"{self._registry}/{split_uri(image)[1]}@{digest}"
            pull = asyncio.to_thread(podman.podman, "pull", "--quiet", "--tls-verify=false", name)
            self._pulls[digest] = asyncio.ensure_future(pull)
        try:
            identity = await asyncio.shield(self._pulls[digest])
        except OSError as error:
            self._pulls.pop(digest, None)
            raise ImageError(f"CannotPullContainerError: {podman.last_line(str(error))}") from error
        return config | {"Identity": identity.split()[-1]}

    async def start(self, task: Task) -> RunningProcess:
        address = task.attempt.address or self.next_address()
        name = f"localcloud-{task.attempt.task_id}"
        variables = {item["name"]: item["value"] for item in task.member.container["environment"]}
        variables = task.secrets | variables | task.variables
        try:
            namespace = await asyncio.to_thread(self._bridge.join, next(self._numbers), address)
            self._namespaces[task.attempt.task_id] = namespace
            await namespace.open()
            # Values go through podman's environment, hidden from other users, except those that podman itself reads.
            own = podman.environment()
            given = [f"{key}={value}" if key in own else key for key, value in variables.items()]
            argv = [
                "podman", "run", "--name", name, "--label", f"localcloud={self._url}",
                "--pidfile", f"{task.folder}/pid", "--network", f"ns:{namespace.path}", "--no-hosts",
                "--log-driver", "none", "--pids-limit", "-1",
                "--hostname", f"ip-{address.replace('.', '-')}",
                *(word for item in given for word in ("--env", item)), *run_options(task),
                task.image["Identity"], *task.member.container["command"],
            ]  # fmt: skip
            process = RunningContainer(argv, variables | own, task)
        except OSError as error:
            raise StartError(f"CannotStartContainerError: {error}") from error
        await process.started()
        return process

    async def remove(self, task: Task) -> str | None:
        reason = await asyncio.to_thread(self._remove, task)
        namespace = self._namespaces.pop(task.attempt.task_id, None)
        if namespace is not None:
            await namespace.close()
        return reason

    def _remove(self, task: Task) -> str | None:
        name, process = f"localcloud-{task.attempt.task_id}", task.attempt.process
        killed = False
        with contextlib.suppress(OSError):  # it was never created
            if task.attempt.exit_code:
                killed = podman.podman("inspect", "--format", "{{.State.OOMKilled}}", name) == "true"
            podman.podman("rm", "--force", "--time", "0", "--volumes", name)
        if isinstance(process, RunningContainer) and process.memory_events is not None:
            killed |= memory.ran_out(process.memory_events)
        return OUT_OF_MEMORY if killed and task.attempt.exit_code else None

    def cut(self, attempt: Attempt, other: Attempt | None, port: int | None) -> None:
        away = None if other is None else self._namespaces[other.task_id].address
        self._namespaces[attempt.task_id].cut(away, port)

    def close(self) -> None:
        remove_leftovers(self._url)


def remove_leftovers(url: str) -> None:
    """Remove the containers and networks of a local cloud that has ended or is about to."""
    podman.remove_containers(url)
    network.remove(int(url.rpartition(":")[2]))
