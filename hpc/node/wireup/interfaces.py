"""Network interfaces of this node: the one that reaches other nodes, and those that do not."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct

DOCKER = ipaddress.ip_network("172.17.0.0/16")
"""Default network of Docker's bridge, the same on every host."""
NAMES = ("docker", "ecs-")
"""Prefixes of the names of interfaces that Docker and the ECS agent create."""
_SIOCGIFADDR = 0x8915
"""Request of ioctl(2) for an interface's address."""


def addresses() -> dict[str, str]:
    """Return the IPv4 address of every interface that has one, by name."""
    by_name: dict[str, str] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(sock, _SIOCGIFADDR, struct.pack("256s", name.encode()))
            except OSError:
                continue
            by_name[name] = socket.inet_ntoa(answer[20:24])
    return by_name


def serving(present: dict[str, str], own: str) -> str | None:
    """Return the interface with this node's address; None if there is none or it is the loopback."""
    if ipaddress.ip_address(own).is_loopback:
        return None
    return next((name for name, address in present.items() if address == own), None)


def unroutable(present: dict[str, str], own: str) -> list[str]:
    """Return the interfaces that do not reach other nodes: those of Docker on the host, of the ECS agent
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-networking-awsvpc.html) and link-local ones."""
    return sorted(
        name
        for name, address in present.items()
        if address != own
        and (
            name.startswith(NAMES)
            or ipaddress.ip_address(address).is_link_local
            or ipaddress.ip_address(address) in DOCKER
        )
    )
