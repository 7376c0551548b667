"""Networks of containers: a network namespace with an address each, all on one bridge of this local cloud's own.

The bridge has no address and leads nowhere else, so that nothing of it is reached from outside, and nothing outside
from it. The one thing that a container reaches besides the others is the local cloud itself, at 127.0.0.1 and the port
that it has outside too: a listener inside the namespace passes on what comes. As root.
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
    """Run a command of the system.

    Raises:
        OSError: it failed; the text is what it printed.
    """
    ended = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise OSError(f"{' '.join(command)}: {ended.stderr.strip()}")


def enter(namespace: int) -> None:
    """Move this thread into a network namespace, an open file: one that ends soon, since nothing brings it back.

    Raises:
        OSError: the kernel refuses.
    """
    if _libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Bridge:
    """The network of one local cloud."""

    def __init__(self, port: int) -> None:
        """Make it.

        Raises:
            OSError: it cannot be made.
        """
        self.name = f"lc{port}"
        self._port = port
        remove(port)  # what a local cloud that was killed has left
        run(["ip", "-batch", "-"], f"link add {self.name} type bridge\nlink set {self.name} up\n")

    def join(self, number: int, address: str) -> Namespace:
        """Make a namespace with an interface on the bridge: `eth0`, as the task's own interface is called in ECS."""
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
            if path.exists():  # else it went with its namespace, which the kernel frees when it likes
                raise


class Namespace:
    """The network of one container."""

    def __init__(self, name: str, address: str, port: int) -> None:
        self.path = NAMESPACES / name
        self.address = address
        self._name = name
        self._port = port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Let the local cloud be reached from within."""
        listener = await asyncio.to_thread(self._listen)
        self._server = await asyncio.start_server(self._serve, sock=listener)

    def _listen(self) -> socket.socket:
        """A socket stays in the namespace in which it was made, whoever uses it."""
        made: list[socket.socket] = []

        def inside() -> None:
            with self.path.open() as namespace:
                enter(namespace.fileno())
            made.append(socket.create_server((HOST, self._port), backlog=256))

        thread = threading.Thread(target=inside)  # ends, and nothing else ever runs in it
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
        """Drop what comes from and goes to an address, at one TCP port of either side or at all; without an address,
        everything that leaves the container, what is for the local cloud too."""
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
        """Remove it."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        # A socket that is still open keeps the namespace, and with it the pair of interfaces.
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
