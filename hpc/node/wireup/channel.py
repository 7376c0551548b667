"""Message channel between nodes: one JSON object per line, of at most `LIMIT` bytes."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import socket
from typing import Any

LIMIT = 256 * 1024
"""Maximum bytes of a message."""
SEND_TIMEOUT_S = 10.0
"""Seconds within which a message must be sent, and the first ones received."""
Message = dict[str, Any]


class PeerLost(Exception):  # noqa: N818 - an event, not a program error
    """The connection to the other side was lost, or the other side violates the protocol."""


class Lines:
    """Decoder of a byte stream into messages."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that these bytes complete.

        Raises:
            PeerLost: a line is too long or is not a JSON object.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if max(map(len, (*lines, self._rest))) > LIMIT:
            raise PeerLost(f"a line of more than {LIMIT} bytes")
        return [_decode(line) for line in lines]


def encode(message: Message) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _decode(line: bytes) -> Message:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise PeerLost("a line that is not JSON") from error
    if not isinstance(message, dict):
        raise PeerLost("a line that is not a JSON object")
    return message  # pyright: ignore[reportUnknownVariableType]


class Channel:
    """A connection to another node; a send takes at most `SEND_TIMEOUT_S`."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.silent_for = 0
        """Heartbeats of this side since the other side last sent something."""
        self._lines = Lines()
        self._pending: list[Message] = []
        self._sending = False
        self._unsent = b""
        sock.settimeout(SEND_TIMEOUT_S)
        if sock.family == socket.AF_INET:
            _keep_alive(sock)

    def send(self, message: Message) -> None:
        self._sending = True
        try:
            self.sock.sendall(self._unsent + encode(message))
        except OSError as error:
            raise PeerLost(str(error)) from error
        finally:
            self._sending, self._unsent = False, b""

    def beat(self) -> None:
        """Send a heartbeat; never block and never fail, since a signal handler calls this, possibly during `send`."""
        if self._sending:
            return
        with contextlib.suppress(OSError):
            data = self._unsent or b"{}\n"
            self._unsent = data[os.write(self.sock.fileno(), data) :]

    def receive_one(self) -> Message:
        """Wait for one message; messages that arrive with it are left for `take_pending`.

        Raises:
            PeerLost: nothing arrived in time, or the connection has ended.
        """
        while not self._pending:
            self._pending = [message for message in self.receive() if message]  # without heartbeats
        return self._pending.pop(0)

    def take_pending(self) -> list[Message]:
        """Return the messages that arrived with the last one that `receive_one` returned."""
        pending, self._pending = self._pending, []
        return pending

    def receive(self) -> list[Message]:
        """Return the messages that have arrived; call it when the socket is readable.

        Raises:
            PeerLost: the connection has ended.
        """
        try:
            data = self.sock.recv(65536)
        except OSError as error:
            raise PeerLost(str(error)) from error
        if not data:
            raise PeerLost("the connection was closed")
        self.silent_for = 0
        return self._lines.feed(data)


def nonce() -> str:
    return secrets.token_hex(16)


def proof(token: str, role: str, challenge: str) -> str:
    """Return the answer to a challenge that only a holder of the token can compute."""
    return hmac.digest(token.encode(), f"{role} {challenge}".encode(), hashlib.sha256).hex()


def proves(answer: object, token: str, role: str, challenge: str) -> bool:
    return isinstance(answer, str) and hmac.compare_digest(answer.encode(), proof(token, role, challenge).encode())


def _keep_alive(sock: socket.socket) -> None:
    """Let the kernel detect within about 30 s a host that vanished without closing its connections."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)
