"""Processes of this node: start, forward signals, reap, and end every one of them.

A single event loop serves all sockets, timers and processes that hpc-node waits for, and sleeps in between.
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
"""Signals that are forwarded to the commands."""
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_KILL_TIMEOUT_S = 5.0
"""Seconds to wait for processes to end after SIGKILL."""


class Interrupted(Failure):
    """A signal arrived while there was no command to forward it to."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number, f"stopped by {signal.Signals(number).name}")


class Supervisor:
    """Starts processes and runs the event loop; only one per process, since it handles all signals and children."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.interruptible = True
        """True if a signal ends hpc-node itself; otherwise it is forwarded to the commands."""
        self.signal = 0
        """The last signal that was forwarded; 0 if none was."""
        self._timers: dict[Callable[[], object], float] = {}
        self._started: dict[int, tuple[subprocess.Popen[bytes], Callable[[int], None]]] = {}
        self._own = set[int]()
        self._prctl = _load_prctl()
        if self._prctl:  # children of a killed process become children of hpc-node, which can end them
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
        """Call back in `turn` whenever the socket is readable."""
        self.selector.register(sock, selectors.EVENT_READ, on_readable)

    def forget(self, sock: socket.socket) -> None:
        """Stop watching a socket and close it."""
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
        """Start a process in a new session; `on_end` gets its exit code (128 + N for signal N) in `turn`.

        Args:
            own: the process belongs to hpc-node and gets no forwarded signals.

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
        elif self.signal:  # it arrived while the process was being started
            self._forward(process.pid, self.signal)

    def turn(self, timeout_s: float | None = None) -> None:
        """Wait for an event, for at most `timeout_s`, and run its callbacks."""
        if self._timers:
            next_timer_s = max(0.0, min(self._timers.values()) - time.monotonic())
            timeout_s = next_timer_s if timeout_s is None else min(next_timer_s, timeout_s)
        for key, _ in self.selector.select(timeout_s):
            key.data()
        self._reap()
        for callback in [callback for callback, due in self._timers.items() if due <= time.monotonic()]:
            if self._timers.pop(callback, None) is not None:  # an earlier callback may have cancelled it
                callback()

    def later(self, delay_s: float, callback: Callable[[], object]) -> None:
        """Call back once, in `turn`, after a delay; replaces an earlier timer of the same callback."""
        self._timers[callback] = time.monotonic() + delay_s

    def cancel(self, callback: Callable[[], object]) -> None:
        """Cancel the timer of a callback, if there is one."""
        self._timers.pop(callback, None)

    def turn_until(self, done: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Turn until the condition holds, for at most `timeout_s`; return whether it holds."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not done():
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            self.turn(left)
        return True

    def end_all(self, grace_s: float = 0.0) -> None:
        """End all descendants of this process, in any process group; kill those that do not end within `grace_s`."""

        def none_left() -> bool:
            return not (self._started or _children())

        if self.turn_until(none_left, grace_s):
            return
        deadline = time.monotonic() + _KILL_TIMEOUT_S
        while not none_left() and time.monotonic() < deadline:
            for pid in _children():  # their children become children of this process
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.turn(0.05)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.interruptible:
            raise Interrupted(number)
        self.signal = number
        self.send(number)

    def send(self, number: int) -> None:
        """Send a signal to the process groups of all started commands."""
        for pid in list(self._started):
            if pid not in self._own:
                self._forward(pid, number)

    @staticmethod
    def _forward(pid: int, number: int) -> None:
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
    """Do nothing: Python writes only signals that have a handler to the wake-up socket."""


def signal_name(exit_code: int) -> str:
    """Return the name of the signal in an exit code, as in `SIGKILL`; empty if the process ended by itself."""
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
    """Return prctl(2); None if hpc-node is the container's first process, with which the kernel ends all others."""
    if os.getpid() == 1:
        return None
    import ctypes

    return ctypes.CDLL(None, use_errno=True).prctl
