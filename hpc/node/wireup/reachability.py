"""Connection test between nodes, made before MPI would wait forever for an unreachable pair."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Mapping
from pathlib import Path

TIMEOUT_S = 5.0
"""Seconds within which a connection must be established."""
ALL_PAIRS = 32
"""Nodes up to which every node tries every other. With more, a node tries those at the distances 1, 2, 4, 8 ... from
it, so that 1,000 nodes make 10,000 connections, not a million. The main node always tries all nodes, and all nodes have
connected to it."""

Address = tuple[str, int]


def listen(address: str, nodes: int) -> socket.socket:
    """Return a listening socket on an ephemeral port, as MPI uses; the kernel accepts connections to it."""
    return socket.create_server((address, 0), backlog=max(128, nodes))


def tried_by(node: int, nodes: int) -> list[int]:
    """Return the other nodes to which a node tries to connect."""
    if nodes <= ALL_PAIRS:
        return [other for other in range(nodes) if other != node]
    return [(node + (1 << step)) % nodes for step in range((nodes - 1).bit_length())]


def unreached(targets: Mapping[int, Address], timeout_s: float = TIMEOUT_S) -> dict[int, str]:
    """Connect to all targets at once; return the error by node, for those that were not reached in time."""
    with selectors.DefaultSelector() as selector:
        errors: dict[int, str] = {}
        for node, address in targets.items():
            sock = socket.socket()
            sock.setblocking(False)
            code = sock.connect_ex(address)
            if code in {0, errno.EINPROGRESS}:
                selector.register(sock, selectors.EVENT_WRITE, node)
            else:
                sock.close()
                errors[node] = os.strerror(code)
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0 and selector.get_map():
            for key, _ in selector.select(left):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)  # noqa: S101 - for the type checker
                if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    errors[key.data] = os.strerror(code)
                selector.unregister(sock)
                sock.close()
        for key in list(selector.get_map().values()):
            errors[key.data] = f"no answer in {timeout_s:g} s"
            selector.unregister(key.fileobj)
            key.fileobj.close()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        return errors


def advice() -> str:
    """Return what to check if nodes cannot reach each other."""
    try:
        first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    except (OSError, ValueError):
        first, last = "1024", "65535"
    return (
        f"MPI uses any TCP port from {first} to {last}: the security group of the nodes must allow all inbound and"
        " outbound traffic between its members; in an EFA compute environment it is the VPC's default group"
        " (docs/multi-node.md)"
    )
