"""The processes of this node: started, signalled, reaped, and none left behind.

One loop serves everything that hpc-node waits for, sockets and processes alike, and sleeps in between.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

from hpc.node.failure import Failure, cannot_start

FORWARDED = (signal.SIGTERM, signal.SIGINT)
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_KILL_TIMEOUT_S = 5.0


class Interrupted(Failure):
    """A signal came while there was no command to pass it to."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number, f"stopped by {signal.Signals(number).name}")


class Supervisor:
    """Starts processes and turns the loop. One for each process of hpc-node: it takes all signals and children."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.interruptible = True
        """Whether a signal ends hpc-node itself; else it goes to the processes."""
        self.signal = 0
        """The last one that came while it was not; 0 if none did."""
        self._timers: dict[Callable[[], object], float] = {}
        self._started: dict[int, tuple[subprocess.Popen[bytes], Callable[[int], None]]] = {}
        self._own = set[int]()
        self._prctl = _load_prctl()
        if self._prctl:  # what a killed process leaves behind becomes ours, so that we can end it
            self._prctl(_PR_SET_CHILD_SUBREAPER, 1)
        self._wake, wake = socket.socketpair()
        self._wake.setblocking(False)
        wake.setblocking(False)
        self._wake_writer = wake
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self.watch(self._wake, self._drain)
        signal.signal(signal.SIGCHLD, _wake_up)
        for number in FORWARDED:
            signal.signal(number, self._on_signal)

    def watch(self, sock: socket.socket, on_readable: Callable[[], None]) -> None:
        """Call back in `turn` whenever the socket can be read."""
        self.selector.register(sock, selectors.EVENT_READ, on_readable)

    def forget(self, sock: socket.socket) -> None:
        """Stop watching a socket, and close it."""
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(sock)
        sock.close()

    def start(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        on_end: Callable[[int], None],
        cwd: Path | None = None,
        *,
        own: bool = False,
    ) -> None:
        """Start a process in a session of its own; `on_end` gets its exit code (128 + N for signal N) in `turn`.

        Args:
            own: it is hpc-node's and no command: it gets no signals.

        Raises:
            Failure: it cannot be started.
        """
        prctl = self._prctl
        try:
            process = subprocess.Popen(
                argv,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
                preexec_fn=(lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)) if prctl else None,  # noqa: PLW1509 - no thread
            )
        except OSError as error:
            raise cannot_start(argv[0], error) from error
        self._started[process.pid] = (process, on_end)
        if own:
            self._own.add(process.pid)
        elif self.signal:  # it came while the process was being started
            self._pass_on(process.pid, self.signal)

    def turn(self, timeout_s: float | None = None) -> None:
        """Wait until something happens, at most `timeout_s`, and let the callbacks have it."""
        if self._timers:
            left = max(0.0, min(self._timers.values()) - time.monotonic())
            timeout_s = left if timeout_s is None else min(left, timeout_s)
        for key, _ in self.selector.select(timeout_s):
            key.data()
        self._reap()
        for callback in [callback for callback, due in self._timers.items() if due <= time.monotonic()]:
            if self._timers.pop(callback, None) is not None:  # it may have been forgotten by the one before
                callback()

    def later(self, delay_s: float, callback: Callable[[], object]) -> None:
        """Call back once, in `turn`, after a time; in place of what was said of the same callback before."""
        self._timers[callback] = time.monotonic() + delay_s

    def never(self, callback: Callable[[], object]) -> None:
        """Forget what `later` was told."""
        self._timers.pop(callback, None)

    def turn_until(self, done: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Turn until the condition holds; return whether it does, or the time is over."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not done():
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            self.turn(left)
        return True

    def end_all(self, grace_s: float = 0.0) -> None:
        """End every process below this one, whatever its group; those that end within the grace are not killed."""

        def none_left() -> bool:
            return not (self._started or _children())

        if self.turn_until(none_left, grace_s):
            return
        deadline = time.monotonic() + _KILL_TIMEOUT_S
        while not none_left() and time.monotonic() < deadline:
            for pid in _children():  # theirs become ours when they die
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.turn(0.05)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.interruptible:
            raise Interrupted(number)
        self.signal = number
        self.send(number)

    def send(self, number: int) -> None:
        """Send a signal to what was started, and to the processes of its group."""
        for pid in list(self._started):
            if pid not in self._own:
                self._pass_on(pid, number)

    @staticmethod
    def _pass_on(pid: int, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wake.recv(4096):
                pass

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._started:
                process, on_end = self._started.pop(pid)
                self._own.discard(pid)
                code = os.waitstatus_to_exitcode(status)
                process.returncode = code
                on_end(code if code >= 0 else 128 - code)


def _wake_up(_number: int, _frame: FrameType | None) -> None:
    """Only a signal that has a handler is written to the wake-up socket."""


def signal_name(exit_code: int) -> str:
    """Return what `exit_code` says about a signal, as in `SIGKILL`; empty if the process ended by itself."""
    try:
        return signal.Signals(exit_code - 128).name if exit_code > 128 else ""
    except ValueError:
        return ""


def _children() -> list[int]:
    pids: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            pids += [int(pid) for pid in (task / "children").read_text().split()]
    return pids


def _load_prctl() -> Callable[..., int] | None:
    """Return prctl(2), or None where hpc-node is the container's first process: the kernel ends the rest with it."""
    if os.getpid() == 1:
        return None
    import ctypes

    return ctypes.CDLL(None, use_errno=True).prctl
