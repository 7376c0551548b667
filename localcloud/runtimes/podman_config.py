"""podman with runc, configured to work even without systemd, cgroup v2 and the right to raise limits.

All its state is in one folder, so images, containers and networks of two folders are independent.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

NEEDED = ("podman", "runc", "catatonit", "iptables", "/usr/lib/podman/netavark", "/usr/lib/podman/aardvark-dns")
"""Programs, from Debian packages of the same names."""

# runc, because crun of Debian 12 refuses the hybrid cgroups of some virtual machines. Limits are capped because raising
# them above those of the caller takes a capability that containers and build machines often lack. Locks are files: the
# table in shared memory is common to all podmans of a machine, and each new folder clears it.
_CONTAINERS = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
log_driver = "k8s-file"

[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "{folder}/tmp"

[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
# The driver is explicit: podman notices the end of a container at once only if it opens the store as it was created.
_STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""


def environment(folder: Path) -> dict[str, str]:
    """Write podman's settings to a folder and return the variables that make `podman` keep everything there."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"CONTAINERS_CONF": "containers.conf", "CONTAINERS_STORAGE_CONF": "storage.conf"}
    for name, text in zip(files.values(), (_CONTAINERS, _STORAGE), strict=True):
        file, wanted = folder / name, text.format(folder=folder.resolve())
        if not file.exists() or file.read_text(encoding="utf-8") != wanted:
            new = file.with_suffix(f".{os.getpid()}")
            new.write_text(wanted, encoding="utf-8")
            new.replace(file)  # another podman may be reading it
    return {variable: str(folder / name) for variable, name in files.items()}


def missing() -> list[str]:
    """Return the Debian packages that are needed and not installed."""
    return [Path(program).name for program in NEEDED if not shutil.which(program)]
