"""Launch requests of `mpirun`'s agents to the main node: each asks to start an MPI daemon on a host."""

from __future__ import annotations

import itertools
import os
import secrets
import socket
import struct
from collections.abc import Callable

from hpc.node.supervisor import Supervisor
from hpc.node.wireup.channel import Channel, Message, PeerLost


class LaunchRequests:
    """Listener for agents of the same user; answers each when its daemon has ended."""

    def __init__(self, supervisor: Supervisor, start: Callable[[int, str, str], None]) -> None:
        """
        Args:
            start: called with a number, the host and the command; its implementation calls `answer` with the number.
        """
        self._supervisor, self._start = supervisor, start
        self._channels: dict[int, Channel] = {}
        self._numbers = itertools.count()
        self.name = f"hpc-node-{secrets.token_hex(8)}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"\0{self.name}")  # abstract: no file to protect, no limit on the path
        self._listener.listen(128)
        supervisor.watch(self._listener, self._accept)

    def next_number(self) -> int:
        return next(self._numbers)

    def stop(self) -> None:
        """Accept no more requests."""
        self._supervisor.forget(self._listener)

    def answer(self, number: int, message: Message) -> None:
        """Send an agent the exit code of its daemon, or the reason why it was not started."""
        channel = self._channels.pop(number, None)
        if channel is None:
            return
        try:
            channel.send(message)
        except PeerLost:  # mpirun has ended its agents
            self._supervisor.forget(channel.sock)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        user = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
        if user != os.geteuid():
            sock.close()
            return
        channel = Channel(sock)
        self._supervisor.watch(sock, lambda: self._receive(channel))

    def _receive(self, channel: Channel) -> None:
        try:
            for message in channel.receive():
                number = self.next_number()
                self._channels[number] = channel
                self._start(number, str(message.get("host")), str(message.get("command")))
        except PeerLost:
            self._supervisor.forget(channel.sock)
