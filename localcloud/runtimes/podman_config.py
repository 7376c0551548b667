"""podman with runc, as it works also where there is no systemd, no cgroup v2 and no right to raise limits.

All that it keeps lies in one folder: images, containers and networks of two folders do not meet.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

NEEDED = ("podman", "runc", "catatonit", "iptables", "/usr/lib/podman/netavark", "/usr/lib/podman/aardvark-dns")
"""Programs; Debian's packages of the same names have them."""

# Not crun: Debian 12's refuses the hybrid cgroups of some virtual machines. Limits are capped because raising them
# above those of the caller takes a capability that containers and build machines often lack. Locks in files: the
# table in shared memory is one for all podmans of a machine, and each new folder clears it.
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
# The driver by name: a container's end is noticed at once only by a podman that opens the store as it was made.
_STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""


def environment(folder: Path) -> dict[str, str]:
    """Return the variables under which `podman` keeps everything in that folder; the settings are written there."""
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
    """Return what is needed and not installed, by the names of Debian's packages."""
    return [Path(program).name for program in NEEDED if not shutil.which(program)]
