"""Several hosts on one machine: network namespaces with an address each, joined by a bridge. Needs root.

The bridge is in a namespace too, invisible and unreachable from outside. Each host has a separate host name and shared
memory: Open MPI's component `han` hangs if two nodes share those.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import socket
import socketserver
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

REQUIRED = "HPC_REQUIRE_NAMESPACES"
"""Set where tests in namespaces must run: missing tools are a failure there, and skip the test elsewhere."""
NETWORK = "10.77.0"
NAMESPACES = Path("/run/netns")


def wanting(*tools: str) -> list[str]:
    """Return what this machine lacks for namespaces and these programs."""
    lacking = [tool for tool in ("ip", "unshare", *tools) if not shutil.which(tool)]
    return [*lacking, "root"] if os.geteuid() != 0 else lacking


class Hosts:
    """Namespaces `0` to `count - 1`, and a hub that all of them reach.

    >>> with Hosts(2) as hosts:  # doctest: +SKIP
    ...     subprocess.run([*hosts.on(1), "ip", "address"])
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.hub_address = f"{NETWORK}.254"
        self._closing = contextlib.ExitStack()
        self._prefix = f"hpc-{secrets.token_hex(3)}"

    def address(self, number: int) -> str:
        return f"{NETWORK}.{number + 1}"

    def on(self, number: int) -> list[str]:
        """Return the prefix of a command that runs on a host, like a separate container of that host."""
        own = f'hostname node-{number}; mount -t tmpfs none /dev/shm; exec "$@"'
        apart = ["unshare", "--uts", "--ipc", "--mount", "sh", "-c", own, "sh"]
        return [*self._enter(f"{self._prefix}-{number}"), *apart]

    def namespace(self, number: int) -> Path:
        """Return the file of a host's network namespace."""
        return NAMESPACES / f"{self._prefix}-{number}"

    @property
    def on_hub(self) -> list[str]:
        return self._enter(f"{self._prefix}-hub")

    @staticmethod
    def _enter(name: str) -> list[str]:
        return ["ip", "netns", "exec", name]

    def cut(self, number: int) -> None:
        """Cut the link of a host: connections stay open, but no packet passes."""
        self._ip(f"-n {self._prefix}-hub link set v{number} down")

    def block(self, number: int, *rule: str) -> None:
        """Drop incoming packets of a host that match an iptables rule."""
        subprocess.run([*self.on(number), "iptables", "-A", "INPUT", *rule, "-j", "DROP"], check=True)

    def relay(self, port: int) -> str:
        """Return a URL that relays all hosts to a port of this machine's loopback interface."""
        listener = _socket_in(f"{self._prefix}-hub", (self.hub_address, 0))
        _Relay.port = port
        server = socketserver.ThreadingTCPServer(listener.getsockname(), _Relay, bind_and_activate=False)
        server.daemon_threads = True
        server.socket.close()
        server.socket = listener
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._closing.callback(server.server_close)
        self._closing.callback(server.shutdown)
        return f"http://{self.hub_address}:{listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        hub = f"{self._prefix}-hub"
        self._ip(
            f"netns add {hub}",
            f"-n {hub} link set lo up",
            f"-n {hub} link add br0 type bridge",
            f"-n {hub} address add {self.hub_address}/24 dev br0",
            f"-n {hub} link set br0 up",
        )
        for number in range(self.count):
            host = f"{self._prefix}-{number}"
            self._ip(
                f"netns add {host}",
                f"-n {hub} link add v{number} type veth peer name eth0 netns {host}",
                f"-n {hub} link set v{number} master br0 up",
                f"-n {host} address add {self.address(number)}/24 dev eth0",
                f"-n {host} link set eth0 up",
                f"-n {host} link set lo up",
                f"-n {host} route add default via {self.hub_address}",
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()
        for name in ("hub", *range(self.count)):
            self._ip(f"netns delete {self._prefix}-{name}")

    @staticmethod
    def _ip(*commands: str) -> None:
        for command in commands:
            subprocess.run(["ip", *command.split()], check=True)


class _Relay(socketserver.BaseRequestHandler):
    """Relays one connection to a port of the loopback interface."""

    port: int

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as there:
            back = threading.Thread(target=_copy, args=(there, self.request), daemon=True)
            back.start()
            _copy(self.request, there)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _socket_in(name: str, address: tuple[str, int]) -> socket.socket:
    """Return a listening socket of a namespace: it stays there whichever thread uses it."""
    found: list[socket.socket] = []

    def enter() -> None:
        with (NAMESPACES / name).open() as namespace:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(namespace.fileno(), 0):
                raise OSError(ctypes.get_errno(), "setns")
        found.append(socket.create_server(address))

    thread = threading.Thread(target=enter)  # only this thread enters the namespace, and ends there
    thread.start()
    thread.join()
    return found[0]
