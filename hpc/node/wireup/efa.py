"""EFA check of this node, and the resulting settings of libfabric and MPI
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
"""Folder of the EFA devices."""
INSTALLED = "/opt/amazon/efa/bin"
"""Folder in which AWS's EFA installer puts `fi_info`."""
PROBE_TIMEOUT_S = 20
"""Seconds within which `fi_info` must answer."""


def mode(env: Mapping[str, str]) -> str:
    """Return the job's EFA mode, one of `EFA_MODES`.

    Raises:
        Failure: the variable has another value.
    """
    value = env.get(variables.ENV_EFA) or "auto"
    if value not in variables.EFA_MODES:
        allowed = ", ".join(variables.EFA_MODES)
        raise Failure(exit_codes.BAD_REQUEST, f"{variables.ENV_EFA} is {value!r}: {allowed} are allowed")
    return value


def check(env: Mapping[str, str], devices: Path = DEVICES) -> bool:
    """Return whether this node uses EFA.

    Raises:
        Failure: the job requires EFA on this node, and it does not work.
    """
    efa_mode = mode(env)
    paths = sorted(devices.glob("uverbs*"))
    if efa_mode == "off" or (efa_mode == "auto" and not paths):
        return False
    trouble = _trouble(env, paths) if paths else f"there is no {devices}/uverbs*"
    if trouble and efa_mode != "prefer":
        fix = f"to allow TCP on nodes without EFA, submit with `--setenv {variables.ENV_EFA}=prefer`"
        raise Failure(exit_codes.NO_EFA, f"this job requires EFA: {trouble}; {fix}")
    if trouble:
        say(f"no EFA on this node: {trouble}")
    return not trouble


def settings(efa_mode: str, *, usable: bool) -> dict[str, str]:
    """Return the variables with which libfabric, Open MPI and Intel MPI use EFA, or do not use it.

    FI_EFA_FORK_SAFE is not among them: it costs speed and excludes huge pages, and kernels since 5.13 do not need it
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
    if efa_mode == "auto":
        return {}
    say("MPI uses TCP")
    return {"FI_PROVIDER": "tcp", "OMPI_MCA_pml": "ob1", "I_MPI_OFI_PROVIDER": "tcp"}


def _trouble(env: Mapping[str, str], paths: Sequence[Path]) -> str:
    """Return the reason why this node cannot use these devices; empty if it can."""
    closed = [str(path) for path in paths if not os.access(path, os.R_OK | os.W_OK)]
    if closed:
        return f"{', '.join(closed)} cannot be opened by user {os.geteuid()}"
    locked, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if locked != resource.RLIM_INFINITY:
        return f"locked memory is limited to {locked // 1024} KiB; the job definition needs the ulimit memlock -1"
    probe = shutil.which("fi_info", path=f"{env.get('PATH', '')}:{INSTALLED}")
    if probe is None:
        return "the image has no libfabric (no fi_info); use the target `efa` of container/Dockerfile, which has it"
    try:
        command = [probe, "-p", "efa", "-t", "FI_EP_RDM"]
        done = subprocess.run(command, env=dict(env), capture_output=True, check=False, timeout=PROBE_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"fi_info -p efa: {error}"
    stderr = done.stderr.decode(errors="replace").strip() or "no message"
    return "" if done.returncode == 0 else f"fi_info -p efa ended with exit code {done.returncode}: {stderr[-200:]}"
