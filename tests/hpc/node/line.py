"""A proxy to the emulated S3 in which a test can delay or answer the requests of one node."""

from __future__ import annotations

import contextlib
import re
import socket
import socketserver
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

Fault = Callable[[bytes], bytes | None]
"""Called with a request; may delay it, and may return a response in place of S3's."""


def refusal(code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    return b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )


class Line:
    """A running proxy; a context manager. It listens at `url`."""

    def __init__(self, upstream: str, fault: Fault) -> None:
        port = int(upstream.rpartition(":")[2])

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection(("127.0.0.1", port)) as there, contextlib.suppress(OSError):
                    threading.Thread(target=_copy, args=(there, self.request), daemon=True).start()
                    while data := _request(self.request):
                        if answer := fault(data):
                            self.request.sendall(answer)
                        else:
                            there.sendall(data)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _request(source: socket.socket) -> bytes:
    """Return one whole request; empty at the end of the connection."""
    data = b""
    while more := source.recv(1 << 20):
        data += more
        head, end, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if end and len(body) >= int(length[1] if length else 0):
            return data
    return b""


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
