"""Whether this node can use EFA, and what libfabric and MPI are told then
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-start.html)."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from hpc.contract import exit_codes, variables
from hpc.node.failure import Failure, say

DEVICES = Path("/dev/infiniband")
INSTALLED = "/opt/amazon/efa/bin"
"""Where AWS's installer puts `fi_info`."""
PROBE_TIMEOUT_S = 20


def mode(env: Mapping[str, str]) -> str:
    """Return what the job wants, one of `contract.EFA_MODES`.

    Raises:
        Failure: the variable says something else.
    """
    value = env.get(variables.ENV_EFA) or "auto"
    if value not in variables.EFA_MODES:
        allowed = ", ".join(variables.EFA_MODES)
        raise Failure(exit_codes.BAD_REQUEST, f"{variables.ENV_EFA} is {value!r}: {allowed} are allowed")
    return value


def check(env: Mapping[str, str], devices: Path = DEVICES) -> bool:
    """Return whether this node is to use EFA, and can.

    Raises:
        Failure: this node has to, and cannot.
    """
    wanted = mode(env)
    found = sorted(devices.glob("uverbs*"))
    if wanted == "off" or (wanted == "auto" and not found):
        return False
    trouble = _trouble(env, found) if found else f"there is no {devices}/uverbs*"
    if trouble and wanted != "prefer":
        how = f"`--setenv {variables.ENV_EFA}=prefer` lets a job run over TCP where there is none"
        raise Failure(exit_codes.NO_EFA, f"this job requires EFA: {trouble}; {how}")
    if trouble:
        say(f"no EFA on this node: {trouble}")
    return not trouble


def settings(wanted: str, *, usable: bool) -> dict[str, str]:
    """Return the variables that make libfabric, Open MPI and Intel MPI take EFA, or keep them off it.

    FI_EFA_FORK_SAFE is not among them: it costs speed and excludes huge pages, and kernels since 5.13 do without
    (https://ofiwg.github.io/libfabric/main/man/fi_efa.7.html).
    """
    if usable:
        say("MPI uses EFA")
        return {
            "FI_PROVIDER": "efa",
            "OMPI_MCA_pml": "cm",
            "OMPI_MCA_mtl": "ofi",
            "I_MPI_FABRICS": "shm:ofi",
            "I_MPI_OFI_PROVIDER": "efa",
        }
    if wanted == "auto":
        return {}
    say("MPI uses TCP")
    return {"FI_PROVIDER": "tcp", "OMPI_MCA_pml": "ob1", "I_MPI_OFI_PROVIDER": "tcp"}


def _trouble(env: Mapping[str, str], found: Sequence[Path]) -> str:
    """Return what keeps this node from using these devices, in words."""
    closed = [str(path) for path in found if not os.access(path, os.R_OK | os.W_OK)]
    if closed:
        return f"{', '.join(closed)} cannot be opened by user {os.geteuid()}"
    locked, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if locked != resource.RLIM_INFINITY:
        return f"locked memory is limited to {locked // 1024} KiB; the job definition needs the ulimit memlock -1"
    probe = shutil.which("fi_info", path=f"{env.get('PATH', '')}:{INSTALLED}")
    if probe is None:
        return "the image has no libfabric: fi_info is not there; the target `efa` of container/Dockerfile has it"
    try:
        command = [probe, "-p", "efa", "-t", "FI_EP_RDM"]
        done = subprocess.run(command, env=dict(env), capture_output=True, check=False, timeout=PROBE_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"fi_info -p efa: {error}"
    said = done.stderr.decode(errors="replace").strip() or "nothing"
    return "" if done.returncode == 0 else f"fi_info -p efa ended with {done.returncode} and said {said[-200:]}"
