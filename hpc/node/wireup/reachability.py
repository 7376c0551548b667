"""Whether the nodes reach each other, found out before MPI would wait for ever on a pair that does not."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Mapping
from pathlib import Path

TIMEOUT_S = 5.0
ALL_PAIRS = 32
"""Up to so many nodes every node tries every other; beyond, those at the distances 1, 2, 4, 8 ... from it, so that
1,000 nodes make 10,000 connections and not a million. The main node tries all in any case, and all have reached it."""

Address = tuple[str, int]


def listen(address: str, nodes: int) -> socket.socket:
    """Return a socket on a port such as MPI takes; the kernel answers whoever connects."""
    return socket.create_server((address, 0), backlog=max(128, nodes))


def tried_by(node: int, nodes: int) -> list[int]:
    """Return which other nodes a node tries."""
    if nodes <= ALL_PAIRS:
        return [other for other in range(nodes) if other != node]
    return [(node + (1 << step)) % nodes for step in range((nodes - 1).bit_length())]


def unreached(targets: Mapping[int, Address], timeout_s: float = TIMEOUT_S) -> dict[int, str]:
    """Connect to all at once; return why not, by node, of those that did not answer in time."""
    with selectors.DefaultSelector() as selector:
        found: dict[int, str] = {}
        for node, address in targets.items():
            sock = socket.socket()
            sock.setblocking(False)
            code = sock.connect_ex(address)
            if code in {0, errno.EINPROGRESS}:
                selector.register(sock, selectors.EVENT_WRITE, node)
            else:
                sock.close()
                found[node] = os.strerror(code)
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0 and selector.get_map():
            for key, _ in selector.select(left):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)  # noqa: S101 - for the type checker
                if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    found[key.data] = os.strerror(code)
                selector.unregister(sock)
                sock.close()
        for key in list(selector.get_map().values()):
            found[key.data] = f"no answer in {timeout_s:g} s"
            selector.unregister(key.fileobj)
            key.fileobj.close()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        return found


def advice() -> str:
    """Return what to look at where nodes do not reach each other."""
    try:
        first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    except (OSError, ValueError):
        first, last = "1024", "65535"
    return (
        f"MPI takes any TCP port from {first} to {last}: the security group of the nodes must let all traffic of its "
        "own members in and out; in an EFA compute environment that is the VPC's default group (docs/multi-node.md)"
    )
