"""podman with runc, set up so that it meets no other podman of this machine.

Images stay in the project's cache from one local cloud to the next; containers do not.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".local" / "cache" / "podman"
PROGRAMS = ("podman", "runc", "catatonit", "ip", "iptables")
CAP_SYS_RESOURCE = 24
ULIMITS = {"nofile": (32768, 65536), "nproc": (32768, 32768)}
"""Where a definition says nothing: open files as the ECS-optimized image gives them
(https://github.com/aws/amazon-ecs-ami), and of processes as many as podman itself may have."""

CONFIGURATION = """\
[containers]
log_driver = "none"
pids_limit = 0
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
tmp_dir = "{folder}/tmp"
[network]
network_config_dir = "{folder}/networks"
"""
STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""
FILES = {"CONTAINERS_CONF": ("containers.conf", CONFIGURATION), "CONTAINERS_STORAGE_CONF": ("storage.conf", STORAGE)}
"""By the variable that names it."""


def missing() -> str | None:
    """Return what this machine lacks for containers, in words; None if it is nothing."""
    if os.geteuid() != 0:
        return "containers need root"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"containers need {', '.join(absent)}: `make test-tools` installs them on Debian" if absent else None


def limit(name: str, soft: int, hard: int) -> tuple[int, int]:
    """Return a ulimit as far as this machine lets it be given: without CAP_SYS_RESOURCE none can exceed our own."""
    own = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1]
    if own == resource.RLIM_INFINITY or _capabilities() >> CAP_SYS_RESOURCE & 1:
        return soft, hard
    lower_soft, lower_hard = (own if value == resource.RLIM_INFINITY else min(own, value) for value in (soft, hard))
    return lower_soft, lower_hard


def _capabilities() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))


def storage_variables() -> dict[str, str]:
    """Return the variables that make podman use the project's own storage, and write the files that they name."""
    CACHE.mkdir(parents=True, exist_ok=True)
    for name, text in FILES.values():
        file, wanted = CACHE / name, text.format(folder=CACHE)
        if not file.exists() or file.read_text() != wanted:
            file.with_suffix(f".{os.getpid()}").write_text(wanted)
            file.with_suffix(f".{os.getpid()}").replace(file)
    return {variable: str(CACHE / name) for variable, (name, _) in FILES.items()}


def environment() -> dict[str, str]:
    """Return all that podman finds in its environment."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | storage_variables()


def podman(*arguments: str) -> str:
    """Run podman; return what it printed.

    Raises:
        OSError: it failed; the text is what it said.
    """
    ended = subprocess.run(["podman", *arguments], env=environment(), capture_output=True, text=True, check=False)
    if ended.returncode:
        raise OSError(ended.stderr.strip())
    return ended.stdout.strip()


def remove_containers(url: str) -> None:
    """Remove all containers of the local cloud at a URL, whatever state they are in."""
    found = podman("ps", "--all", "--quiet", "--filter", f"label=localcloud={url}").split()
    if found:
        podman("rm", "--force", "--time", "0", "--volumes", *found)


def last_line(text: str) -> str:
    """Return the error of podman that counts: it prints warnings before."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("Error: ") if lines else "podman said nothing"
