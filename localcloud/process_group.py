"""Processes in the place of containers, with no descendants left when they end.

A container's process namespace dies with its first process. Here every process of a job inherits the job's marker in
its environment, and those that remain when the first process ends are killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

KILL_ROUNDS = 200
QUIET_ROUNDS = 3
"""Consecutive scans that must find no process."""
CHUNK = 1 << 13
"""Bytes of output read at a time: few, so that a job that floods its log does not block the API."""
DRAIN_CHUNKS = 512
"""More than a pipe holds: an unmarked process that keeps writing must not delay the end of a job."""


def marked_processes(marker: str) -> Iterator[int]:
    """Yield the ids of all living processes whose environment holds `marker` (Linux: /proc/*/environ)."""
    needle = marker.encode()
    for entry in os.listdir("/proc"):  # noqa: PTH208 - only names are needed, at the end of every job
        if entry.isdigit():
            # Unreadable if it has ended or belongs to another user: then it is not ours.
            with contextlib.suppress(OSError), open(f"/proc/{entry}/environ", "rb") as file:  # noqa: PTH123
                if needle in file.read():
                    yield int(entry)


async def kill_marked(marker: str) -> None:
    """Kill every process with the marker, daemonized ones included, until none is left.

    A process in the middle of an exec briefly shows no environment, so a single empty scan proves nothing.
    """
    quiet = 0
    for _ in range(KILL_ROUNDS):
        pids = [pid for pid in marked_processes(marker) if pid != os.getpid()]
        quiet = 0 if pids else quiet + 1
        if quiet == QUIET_ROUNDS:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.005)


class RunningProcess:
    """A started process, without a thread: the event loop watches its pidfd and its output."""

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: Path,
        marker: str,
        on_output: Callable[[bytes], None],
    ) -> None:
        """Start `argv[0]`, looked up in the PATH of `env`.

        Raises:
            OSError: it cannot be executed.
        """
        self._loop = asyncio.get_running_loop()
        self._marker = marker
        self._on_output = on_output
        self.exited: asyncio.Future[int] = self._loop.create_future()
        """Exit code, 128+N after signal N; set when no process of the job is left and all output is delivered."""
        self._output, write_end = os.pipe()
        try:
            self._process = subprocess.Popen(
                argv, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=write_end, stderr=write_end,
                start_new_session=True,
            )  # fmt: skip
        except OSError:
            os.close(self._output)
            raise
        finally:
            os.close(write_end)
        self.pid = self._process.pid
        os.set_blocking(self._output, False)
        self._loop.add_reader(self._output, self._read)
        self._pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._pidfd, self._on_exit)

    def _read(self) -> bool:
        """Deliver available output; return whether there may be more."""
        try:
            data = os.read(self._output, CHUNK)
        except BlockingIOError:
            return False
        if data:
            self._on_output(data)
            return True
        self._loop.remove_reader(self._output)
        return False

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        code = self._process.wait()
        self._collecting = self._loop.create_task(self._collect(code if code >= 0 else 128 - code))

    async def _collect(self, code: int) -> None:
        await kill_marked(self._marker)
        for _ in range(DRAIN_CHUNKS):
            if not self._read():
                break
        self._loop.remove_reader(self._output)
        os.close(self._output)
        self.exited.set_result(code)

    def signal(self, number: int) -> None:
        if not self.exited.done():
            self._process.send_signal(number)

    def stop(self, grace_s: float) -> None:
        """Send SIGTERM now and SIGKILL after the grace time, as ECS stops a container
        (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopTask.html)."""
        self.signal(signal.SIGTERM)
        timer = self._loop.call_later(grace_s, self.signal, signal.SIGKILL)
        self.exited.add_done_callback(lambda _: timer.cancel())
