"""What the nodes say to each other: one JSON object a line, never more than `LIMIT` bytes of it unread."""

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
SEND_TIMEOUT_S = 10.0
Message = dict[str, Any]


class PeerLost(Exception):  # noqa: N818 - an event, not an error of the program
    """The other side is gone, or does not speak this protocol."""


class Lines:
    """Takes bytes as they come, gives whole messages."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that these bytes complete.

        Raises:
            PeerLost: a line is too long, or no JSON object.
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
    """A connection to another node; reads what is there, writes within `SEND_TIMEOUT_S`."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.silent_for = 0
        """Beats of this side since the other one was last heard."""
        self._lines = Lines()
        self._kept: list[Message] = []
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
        """Let the other side know that this one lives. It never waits and never fails: a signal handler calls it,
        perhaps amid `send`."""
        if self._sending:
            return
        with contextlib.suppress(OSError):
            data = self._unsent or b"{}\n"
            self._unsent = data[os.write(self.sock.fileno(), data) :]

    def receive_one(self) -> Message:
        """Wait for one message; what comes with it is kept for `take_kept`.

        Raises:
            PeerLost: nothing came in time, or the connection has ended.
        """
        while not self._kept:
            self._kept = [message for message in self.receive() if message]  # without signs of life
        return self._kept.pop(0)

    def take_kept(self) -> list[Message]:
        """Return what came with the last message that `receive_one` gave."""
        kept, self._kept = self._kept, []
        return kept

    def receive(self) -> list[Message]:
        """Return the messages that have come; call it when the socket can be read.

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
    """Return what only a holder of the token can answer to a challenge."""
    return hmac.digest(token.encode(), f"{role} {challenge}".encode(), hashlib.sha256).hex()


def proves(answer: object, token: str, role: str, challenge: str) -> bool:
    return isinstance(answer, str) and hmac.compare_digest(answer.encode(), proof(token, role, challenge).encode())


def _keep_alive(sock: socket.socket) -> None:
    """Have the kernel notice within about 30 s a host that vanished without closing its connections."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)
