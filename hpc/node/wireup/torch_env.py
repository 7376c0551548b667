"""Where the processes of a framework meet that brings its own launcher: PyTorch, JAX and their like.

The names are those of PyTorch's `env://` (https://docs.pytorch.org/docs/stable/distributed.html#environment-variable-initialization).
RANK and WORLD_SIZE are set only where one process runs on each node: below `mpirun` every rank would have the same.
"""

from __future__ import annotations

import itertools
import socket

MEETING_POINT = ("MASTER_ADDR", "MASTER_PORT")
FIRST_PORT = 29500
"""PyTorch's own default."""


def meeting_point(address: str) -> dict[str, str]:
    """Return where processes on all nodes may meet: on the main node, at a port that is free."""
    return dict(zip(MEETING_POINT, (address, str(_free_port())), strict=True))


def one_process_each(node: int, nodes: int) -> dict[str, str]:
    """Return what the one process of a node is among those of all."""
    return {"RANK": str(node), "WORLD_SIZE": str(nodes), "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}


def _free_port() -> int:
    """Below the ports that the kernel gives to others, so that nobody takes it before it is used."""
    for port in itertools.count(FIRST_PORT):
        with socket.socket() as sock:
            try:
                sock.bind(("", port))
            except OSError:
                continue
            return port
    raise AssertionError
