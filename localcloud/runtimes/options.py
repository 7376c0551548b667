"""Options of `podman run` for the container properties of a job definition, as the ECS agent passes them to Docker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from localcloud.batch.containers import requirements
from localcloud.batch.volumes import Mount
from localcloud.json_types import Json
from localcloud.runtimes import StartError, Task
from localcloud.runtimes.podman import ULIMITS, limit

CPU_SHARES = 1024
"""CPU shares of a vCPU: a weight relative to other containers, not a limit
(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html)."""
MOST_SHARES = 262_144
"""The kernel's maximum."""
LETTERS = {"READ": "r", "WRITE": "w", "MKNOD": "m"}


def run_options(task: Task) -> list[str]:
    """Return the options.

    Raises:
        StartError: the definition requires something that this machine lacks.
    """
    container = task.member.container
    resources = requirements(container)
    if "GPU" in resources:
        raise StartError("CannotStartContainerError: the local cloud has no GPUs")
    memory, linux = resources["MEMORY"], container.get("linuxParameters", {})
    swap = int(memory) + linux.get("maxSwap", 0)
    shares = min(int(resources["VCPU"]) * CPU_SHARES, MOST_SHARES)
    options = ["--memory", f"{memory}m", "--memory-swap", f"{swap}m", "--cpu-shares", str(shares)]
    if container.get("user"):
        options += ["--user", container["user"]]
    if container.get("readonlyRootFilesystem"):  # podman's default leaves /tmp, /run and /var/tmp writable
        options += ["--read-only", "--read-only-tmpfs=false"]
    if container.get("privileged"):
        options += ["--privileged"]
    wanted = {item["name"]: (item["softLimit"], item["hardLimit"]) for item in container.get("ulimits", [])}
    for name, (soft, hard) in (ULIMITS | wanted).items():
        options += ["--ulimit", "{}={}:{}".format(name, *limit(name, soft, hard))]
    return [*options, *_linux_options(linux), *_mounts(task.mounts)]


def _linux_options(linux: Json) -> Iterator[str]:
    if linux.get("initProcessEnabled"):
        yield "--init"
    if "sharedMemorySize" in linux:
        yield f"--shm-size={linux['sharedMemorySize']}m"
    for item in linux.get("tmpfs", []):
        options = ",".join([f"size={item['size']}m", *item.get("mountOptions", [])])
        yield f"--tmpfs={item['containerPath']}:{options}"
    for item in linux.get("devices", []):
        if not Path(item["hostPath"]).exists():
            raise StartError(
                "CannotStartContainerError: Error response from daemon: error gathering device information while "
                f'adding custom device "{item["hostPath"]}": no such file or directory'
            )
        rights = "".join(LETTERS[name] for name in item.get("permissions") or LETTERS)
        yield f"--device={item['hostPath']}:{item.get('containerPath') or item['hostPath']}:{rights}"


def _mounts(found: tuple[Mount, ...]) -> Iterator[str]:
    for mount in found:
        source = "" if mount.folder is None else f"{mount.folder}:"
        yield f"--volume={source}{mount.path}{':ro' if mount.read_only and source else ''}"
