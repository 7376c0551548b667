"""Files and environment variables with which a plain `mpirun` spans all nodes.

Open MPI 5 starts through PRRTE (https://docs.open-mpi.org/en/v5.0.x/launching-apps/prerequisites.html), MPICH and Intel
MPI through Hydra (https://github.com/pmodels/mpich/blob/main/doc/wiki/how_to/Using_the_Hydra_Process_Manager.md,
https://www.intel.com/content/www/us/en/docs/mpi-library/developer-reference-linux/current/hydra-environment-variables.html).
"""

from __future__ import annotations

import ipaddress
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpc.contract import exit_codes, variables
from hpc.node.failure import Failure, say
from hpc.node.wireup import interfaces, launch_agent

LITTLE_SHARED_MEMORY_MIB = 256
"""MiB of /dev/shm below which a warning is logged: ranks on a node communicate through it, and Docker's default is
64 MiB."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Hardware of this node; the other nodes have the same instance type."""

    cores: int
    """Physical cores that this process may use; 0 if unknown."""
    interfaces: dict[str, str]
    """IPv4 addresses by name of the interface."""

    @classmethod
    def here(cls) -> Machine:
        """Return the hardware of this node."""
        siblings = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
        try:
            cores = len({Path(siblings.format(cpu)).read_text() for cpu in os.sched_getaffinity(0)})
        except OSError:
            cores = 0
        return cls(cores=cores, interfaces=interfaces.addresses())


def environment(
    addresses: Sequence[str], own: str, slots: int, folder: Path, socket_name: str, machine: Machine, *, pure: bool
) -> dict[str, str]:
    """Write hostfiles and launch agent into the folder; return the variables with which `mpirun` uses them.

    Args:
        pure: whether ranks start no threads, according to OMP_NUM_THREADS.

    Raises:
        Failure: the folder's path contains a character that PRRTE treats as a separator.
    """
    if any(mark in str(folder) for mark in " :'\""):
        raise Failure(
            exit_codes.BAD_REQUEST,
            f"MPI cannot start from {folder}: the path must not contain a space, colon or quote; set"
            f" {variables.ENV_SCRATCH} to another folder",
        )
    hostfile, hydra_hostfile = folder / "hostfile", folder / "hostfile-hydra"
    hostfile.write_text("".join(f"{address} slots={slots}\n" for address in addresses))
    hydra_hostfile.write_text("".join(f"{address}:{slots}\n" for address in addresses))
    launcher = folder / "launch-agent"
    # -I -S: without the user's Python settings and site folder, which cost start-up time and are not needed here.
    start = shlex.join([sys.executable, "-I", "-S", launch_agent.__file__, socket_name])
    launcher.write_text(f'#!/bin/sh\nexec {start} "$@"\n')
    launcher.chmod(0o700)
    return {
        variables.ENV_HOSTFILE: str(hostfile),
        "PRTE_MCA_prte_default_hostfile": str(hostfile),
        "PRTE_MCA_plm_ssh_agent": str(launcher),
        "PRTE_MCA_plm_ssh_no_tree_spawn": "1",  # only the main node has the agent, so it starts every daemon
        "HYDRA_HOST_FILE": str(hydra_hostfile),
        "HYDRA_LAUNCHER": "ssh",
        "HYDRA_LAUNCHER_EXEC": str(launcher),
        "I_MPI_HYDRA_HOST_FILE": str(hydra_hostfile),
        "I_MPI_HYDRA_BOOTSTRAP": "ssh",
        "I_MPI_HYDRA_BOOTSTRAP_EXEC": str(launcher),
        "I_MPI_HYDRA_BRANCH_COUNT": str(max(2, len(addresses))),  # no tree, as above
        # MPICH would give every rank the main node's paths; as with Open MPI, ranks get the variables of their node.
        "HYDRA_ENV": "none",
        **_launcher_interfaces(machine.interfaces, own),
        **_binding_settings(addresses, slots, machine.cores, pure=pure),
    }


def root_settings() -> dict[str, str]:
    """Return the variables that Open MPI requires to run as root; none for other users."""
    if os.geteuid() != 0:
        return {}
    return {f"{prefix}_ALLOW_RUN_AS_ROOT{suffix}": "1" for prefix in ("OMPI", "PRTE") for suffix in ("", "_CONFIRM")}


def note_little_shared_memory(slots: int) -> None:
    """Log a warning if the ranks on a node have little shared memory."""
    try:
        shm = os.statvfs("/dev/shm")  # noqa: S108 - not a temporary file
    except OSError:
        return
    mib = shm.f_blocks * shm.f_frsize >> 20
    if slots > 1 and mib < LITTLE_SHARED_MEMORY_MIB:
        say(f"{mib} MiB of shared memory is little for {slots} ranks: raise `shared_memory_mib` of the definition")


def on_every_node(present: dict[str, str], own: str) -> dict[str, str]:
    """Return the variables that keep the traffic of ranks off interfaces that do not reach other nodes.

    Open MPI gets the interfaces to exclude, so that a user's `--mca btl_tcp_if_exclude` does not conflict; the others
    support only the interface to use.
    """
    settings: dict[str, str] = {}
    if name := interfaces.serving(present, own):
        settings |= dict.fromkeys(("FI_TCP_IFACE", "NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME"), name)
    if avoided := interfaces.unroutable(present, own):
        settings["OMPI_MCA_btl_tcp_if_exclude"] = ",".join(["127.0.0.1/8", "sppp", *avoided])
    return settings


def _launcher_interfaces(present: dict[str, str], own: str) -> Mapping[str, str]:
    settings: dict[str, str] = {}
    if name := interfaces.serving(present, own):
        settings |= dict.fromkeys(("HYDRA_IFACE", "I_MPI_HYDRA_IFACE"), name)
    if avoided := interfaces.unroutable(present, own):
        settings["PRTE_MCA_prte_if_exclude"] = ",".join(["lo", *avoided])
    return settings


def _binding_settings(addresses: Sequence[str], slots: int, cores: int, *, pure: bool) -> Mapping[str, str]:
    """Return the settings that bind each rank to a core if there is one core per rank; else Open MPI's default applies.

    Nodes on loopback addresses share a machine without knowing it: each would bind its ranks to the first core, and
    spin there while it waits for the others. Two of them with one rank each hang forever in the collective operations
    of Open MPI's component `han`, which is designed for nodes on separate machines.
    """
    if all(ipaddress.ip_address(address).is_loopback for address in addresses):
        return {
            "PRTE_MCA_hwloc_default_binding_policy": "none",
            "OMPI_MCA_mpi_yield_when_idle": "1",
            "OMPI_MCA_coll": "^han",
        }
    return {"PRTE_MCA_hwloc_default_binding_policy": "core"} if pure and slots == cores else {}
