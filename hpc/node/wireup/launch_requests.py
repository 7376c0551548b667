"""What `mpirun`'s agents ask of the main node: that it start a daemon of MPI on a host."""

from __future__ import annotations

import itertools
import os
import secrets
import socket
import struct
from collections.abc import Callable

from hpc.node.supervisor import Supervisor
from hpc.node.wireup.channel import Channel, Message, PeerLost


class Launches:
    """Listens for agents of the same user, and answers each when its daemon has ended."""

    def __init__(self, supervisor: Supervisor, start: Callable[[int, str, str], None]) -> None:
        """
        Args:
            start: gets a number, the host and the command; who starts it calls `answer` with the number.
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
        """Start nothing more."""
        self._supervisor.forget(self._listener)

    def answer(self, number: int, message: Message) -> None:
        """Tell an agent how its daemon ended, or why it did not start."""
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
        self._supervisor.watch(sock, lambda: self._hear(channel))

    def _hear(self, channel: Channel) -> None:
        try:
            for message in channel.receive():
                number = self.next_number()
                self._channels[number] = channel
                self._start(number, str(message.get("host")), str(message.get("command")))
        except PeerLost:
            self._supervisor.forget(channel.sock)
