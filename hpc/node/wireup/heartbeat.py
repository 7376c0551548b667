"""Heartbeat between nodes: a stopped or hanging process keeps its connections open, so only its silence reveals it."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Iterable
from types import FrameType

from hpc.node.supervisor import Supervisor
from hpc.node.wireup.channel import Channel

SILENT_BEATS = 4
"""Heartbeats that a node may miss; with the next missed one it counts as lost."""


class Heartbeat:
    """Sends a heartbeat over every channel each `interval_s`, and reports channels that are silent for too long.

    A timer signal sends the heartbeats, so that a node continues to send them while it copies files and does not turn
    the loop. Silence is counted in turns of the loop, so that a node that was busy first reads what has arrived since.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        interval_s: float,
        channels: Callable[[], Iterable[Channel]],
        on_silence: Callable[[Channel, str], None],
    ) -> None:
        self._channels, self._on_silence = channels, on_silence
        self._reason = f"it gave no sign of life for {interval_s * SILENT_BEATS:g} s"
        self._ticks, self._tick = socket.socketpair()
        self._tick.setblocking(False)
        supervisor.watch(self._ticks, self._check)
        signal.signal(signal.SIGALRM, self._beat)
        signal.setitimer(signal.ITIMER_REAL, interval_s, interval_s)

    def _beat(self, _number: int, _frame: FrameType | None) -> None:
        for channel in self._channels():
            channel.beat()
        with contextlib.suppress(BlockingIOError):
            self._tick.send(b".")

    def _check(self) -> None:
        self._ticks.recv(4096)
        for channel in list(self._channels()):
            channel.silent_for += 1
            if channel.silent_for > SILENT_BEATS:
                self._on_silence(channel, self._reason)


def stop() -> None:
    """Stop sending heartbeats: a timer that outlived Python's signal handlers would end the process."""
    signal.setitimer(signal.ITIMER_REAL, 0)
