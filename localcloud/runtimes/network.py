"""Networks of containers: a network namespace with an address for each, all on one bridge per local cloud. Needs root.

The bridge has no address and no uplink, so it is isolated from the outside. Besides each other, containers reach only
the local cloud itself, at the same 127.0.0.1 and port as outside: a listener inside the namespace relays connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from localcloud.settings import HOST

CLONE_NEWNET = 0x40000000
NAMESPACES = Path("/run/netns")
INTERFACES = Path("/sys/class/net")
PREFIX_LENGTH = 16
CHUNK = 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)


def run(command: Sequence[str], text: str | None = None) -> None:
    """Run a system command.

    Raises:
        OSError: it failed; the text is its error output.
    """
    ended = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise OSError(f"{' '.join(command)}: {ended.stderr.strip()}")


def enter(namespace: int) -> None:
    """Move this thread, for the rest of its life, into a network namespace given as an open file.

    Raises:
        OSError: the kernel refuses.
    """
    if _libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Bridge:
    """The network of one local cloud."""

    def __init__(self, port: int) -> None:
        """Create the bridge.

        Raises:
            OSError: it cannot be created.
        """
        self.name = f"lc{port}"
        self._port = port
        remove(port)  # leftovers of a local cloud that was killed
        run(["ip", "-batch", "-"], f"link add {self.name} type bridge\nlink set {self.name} up\n")

    def join(self, number: int, address: str) -> Namespace:
        """Create a namespace with the interface `eth0`, as in an ECS task, on the bridge."""
        name = f"{self.name}.{number}"
        outside = f"netns add {name}\nlink add {name} type veth peer name eth0 netns {name}\n"
        run(["ip", "-batch", "-"], f"{outside}link set {name} master {self.name} up\n")
        inside = f"link set lo up\naddr add {address}/{PREFIX_LENGTH} dev eth0\nlink set eth0 up\n"
        run(["ip", "-n", name, "-batch", "-"], inside)
        return Namespace(name, address, self._port)


def remove(port: int) -> None:
    """Remove the network of the local cloud at a port, if there is one."""
    name = f"lc{port}"
    found = [(path, "link") for path in (*INTERFACES.glob(f"{name}.*"), *INTERFACES.glob(name))]
    for path, kind in (*found, *((path, "netns") for path in NAMESPACES.glob(f"{name}.*"))):
        try:
            run(["ip", kind, "delete", path.name])
        except OSError:
            if path.exists():  # else it went with its namespace, which the kernel frees later
                raise


class Namespace:
    """The network namespace of one container."""

    def __init__(self, name: str, address: str, port: int) -> None:
        self.path = NAMESPACES / name
        self.address = address
        self._name = name
        self._port = port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Make the local cloud reachable from inside."""
        listener = await asyncio.to_thread(self._listen)
        self._server = await asyncio.start_server(self._serve, sock=listener)

    def _listen(self) -> socket.socket:
        """Return a socket created inside the namespace: it stays there whichever thread uses it."""
        made: list[socket.socket] = []

        def inside() -> None:
            with self.path.open() as namespace:
                enter(namespace.fileno())
            made.append(socket.create_server((HOST, self._port), backlog=256))

        thread = threading.Thread(target=inside)  # ends, and runs nothing else
        thread.start()
        thread.join()
        if not made:
            raise OSError(f"cannot listen in the network namespace {self._name}")
        return made[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._connections.add(task)
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(HOST, self._port)
            await asyncio.gather(_copy(reader, upstream_writer), _copy(upstream_reader, writer))
        except (OSError, asyncio.CancelledError):
            writer.close()
        finally:
            self._connections.discard(task)

    def cut(self, other: str | None, port: int | None) -> None:
        """Drop traffic from and to an address, on one TCP port of either side or all ports; without an address, drop
        everything, including traffic with the local cloud."""
        local = ["-o", "lo", "-p", "tcp", "--dport", str(self._port)]
        if other is None:
            rules = [["INPUT", "-i", "eth0"], ["OUTPUT", "-o", "eth0"], ["OUTPUT", *local]]
        else:
            ports = [["-p", "tcp", side, str(port)] for side in ("--dport", "--sport")] if port else [[]]
            rules = [[chain, *way, *rest] for chain, *way in (("INPUT", "-s", other), ("OUTPUT", "-d", other))
                     for rest in ports]  # fmt: skip
        for rule in rules:
            run(["ip", "netns", "exec", self._name, "iptables", "--wait", "-I", *rule, "-j", "DROP"])

    async def close(self) -> None:
        """Remove the namespace."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        # An open socket keeps the namespace alive, and with it the pair of interfaces.
        text = f"link delete {self._name}\nnetns delete {self._name}\n"
        await asyncio.to_thread(run, ["ip", "-batch", "-"], text)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    finally:
        with contextlib.suppress(OSError):
            writer.close()
