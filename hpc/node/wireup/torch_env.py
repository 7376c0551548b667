"""Rendezvous variables for frameworks with a separate launcher: PyTorch, JAX and similar.

The names are those of PyTorch's `env://` (https://docs.pytorch.org/docs/stable/distributed.html#environment-variable-initialization).
RANK and WORLD_SIZE are set only if one process runs on each node: under `mpirun` all ranks would have the same values.
"""

from __future__ import annotations

import itertools
import socket

MEETING_POINT = ("MASTER_ADDR", "MASTER_PORT")
FIRST_PORT = 29500
"""PyTorch's default port."""


def meeting_point(address: str) -> dict[str, str]:
    """Return the rendezvous address for processes on all nodes: the main node, at a free port."""
    return dict(zip(MEETING_POINT, (address, str(_free_port())), strict=True))


def one_process_each(node: int, nodes: int) -> dict[str, str]:
    """Return the rank variables of the single process on a node."""
    return {"RANK": str(node), "WORLD_SIZE": str(nodes), "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}


def _free_port() -> int:
    """Return a free port below the kernel's ephemeral range, so that it is not assigned before it is used."""
    for port in itertools.count(FIRST_PORT):
        with socket.socket() as sock:
            try:
                sock.bind(("", port))
            except OSError:
                continue
            return port
    raise AssertionError
