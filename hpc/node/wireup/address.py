"""Address at which the other nodes reach this node."""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

METADATA_TIMEOUT_S = 3.0
"""Seconds within which the task metadata endpoint must answer."""


def own_address(env: Mapping[str, str]) -> str:
    """Return this node's IPv4 address: the one that ECS assigned to the task, else that of the default route."""
    uri = env.get("ECS_CONTAINER_METADATA_URI_V4", "")
    return (_from_metadata(uri) if uri else None) or _from_route()


def task_address(metadata: Mapping[str, object]) -> str | None:
    """Return the address of the task's own network interface
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-response.html)."""
    networks = metadata.get("Networks")
    for network in networks if isinstance(networks, list) else ():  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(network, dict) or network.get("NetworkMode") != "awsvpc":  # pyright: ignore[reportUnknownMemberType]
            continue
        for address in network.get("IPv4Addresses") or ():  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            if not ipaddress.IPv4Address(str(address)).is_link_local:  # pyright: ignore[reportUnknownArgumentType]
                return str(address)  # pyright: ignore[reportUnknownArgumentType]
    return None


def _from_metadata(uri: str) -> str | None:
    parts = urlsplit(uri)
    connection = http.client.HTTPConnection(parts.netloc, timeout=METADATA_TIMEOUT_S)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        return task_address(json.loads(answer.read())) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None  # the default route gives it too
    finally:
        connection.close()


def _from_route() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # an address for documentation: this selects a route and sends nothing
        except OSError:
            return "127.0.0.1"
        return str(sock.getsockname()[0])
