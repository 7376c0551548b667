"""What `mpirun` needs to know, in files and environment variables, so that a plain `mpirun` spans the nodes.

Open MPI 5 starts through PRRTE (https://docs.open-mpi.org/en/v5.0.x/launching-apps/prerequisites.html).
"""

from __future__ import annotations

import ipaddress
import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hpc import contract
from hpc.node.failure import Failure
from hpc.node.wireup import agent

UNROUTABLE = ("docker0", "ecs-eth0")
"""Interfaces of the host and of the ECS agent: link-local or the same on every host, so no way to another node."""


def environment(
    addresses: Sequence[str], slots: int, folder: Path, socket_name: str, interfaces: Iterable[str]
) -> dict[str, str]:
    """Write hostfile and launch agent into the folder; return the variables that make `mpirun` use them.

    Raises:
        Failure: the folder's path has a character that PRRTE takes for a separator.
    """
    if any(mark in str(folder) for mark in " :'\""):
        raise Failure(
            contract.EXIT_BAD_REQUEST,
            f"{folder}: MPI cannot start from a path with a space, colon or quote; set {contract.ENV_SCRATCH}",
        )
    hostfile = folder / "hostfile"
    hostfile.write_text("".join(f"{address} slots={slots}\n" for address in addresses))
    launcher = folder / "launch-agent"
    # -I -S: without the user's Python settings and site folder, which cost start-up time and prove nothing here.
    start = shlex.join([sys.executable, "-I", "-S", agent.__file__, socket_name])
    launcher.write_text(f'#!/bin/sh\nexec {start} "$@"\n')
    launcher.chmod(0o700)
    return {
        contract.ENV_HOSTFILE: str(hostfile),
        "PRTE_MCA_prte_default_hostfile": str(hostfile),
        "PRTE_MCA_plm_ssh_agent": str(launcher),
        "PRTE_MCA_plm_ssh_no_tree_spawn": "1",  # the agent is here, so every daemon is started from here
        **_interface_settings(interfaces),
        **_one_machine_settings(addresses),
    }


def root_settings() -> dict[str, str]:
    """Return what Open MPI wants to hear before it runs as root; nothing for anybody else."""
    if os.geteuid() != 0:
        return {}
    return {f"{prefix}_ALLOW_RUN_AS_ROOT{suffix}": "1" for prefix in ("OMPI", "PRTE") for suffix in ("", "_CONFIRM")}


def present_interfaces() -> list[str]:
    try:
        return os.listdir("/sys/class/net")  # noqa: PTH208
    except OSError:
        return []


def _interface_settings(interfaces: Iterable[str]) -> Mapping[str, str]:
    """Keep MPI off the interfaces that lead nowhere. Where there are none, its defaults stay as they are."""
    unroutable = sorted(set(UNROUTABLE) & set(interfaces))
    if not unroutable:
        return {}
    return {
        "PRTE_MCA_prte_if_exclude": ",".join(["lo", *unroutable]),
        "OMPI_MCA_btl_tcp_if_exclude": ",".join(["127.0.0.1/8", "sppp", *unroutable]),
    }


def _one_machine_settings(addresses: Sequence[str]) -> Mapping[str, str]:
    """Nodes on loopback addresses share one machine without knowing it: each would bind its ranks to the first
    core, and spin there while it waits for the others. Two of them with one rank each hang for ever in the collective
    operations of Open MPI's component `han`, which is for nodes that share no machine."""
    if not all(ipaddress.ip_address(address).is_loopback for address in addresses):
        return {}
    return {
        "PRTE_MCA_hwloc_default_binding_policy": "none",
        "OMPI_MCA_mpi_yield_when_idle": "1",
        "OMPI_MCA_coll": "^han",
    }
