"""A process that was stopped, or hangs, keeps its connections: only its silence tells."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Iterable
from types import FrameType

from hpc.node.supervisor import Supervisor
from hpc.node.wireup.channel import Channel

SILENT_BEATS = 4
"""So many may pass without a sign of life; with the next one the other side counts as lost."""


class Pulse:
    """Sends a sign of life over every channel each `interval_s`, and says who has given none for too long.

    A timer's signal sends them, so that a node which copies files, and turns no loop meanwhile, beats on. Silence is
    counted in turns of the loop: who was busy for long hears first what has come since.
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
    """Beat no more: a timer that outlived Python's handlers would end the process."""
    signal.setitimer(signal.ITIMER_REAL, 0)
