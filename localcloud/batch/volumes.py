"""Volumes of containers: folders of the instance, and folders of EFS file systems.

A process sees the files of this machine, where nothing can be mounted for it alone. A variable whose value is the path
of a mount is changed to the volume's folder; a command that contains the path fails, and read-only mounts are writable.
Containers have real mounts. Not modelled: user and permissions of an access point (anybody may write there, and in
folders of the instance), and NFS traffic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ministack.core.responses import request_scope
from ministack.services import efs

from localcloud.batch.errors import BatchError, NotModelledError
from localcloud.batch.model import Scope
from localcloud.json_types import Json
from localcloud.settings import Settings


class MountError(Exception):
    """The container cannot start, because a file system that it mounts is unreachable."""


def check(container: Json, where: str) -> None:
    """Raise the error of RegisterJobDefinition for invalid volumes
    (https://docs.aws.amazon.com/batch/latest/APIReference/API_EFSVolumeConfiguration.html)."""
    names = [item.get("name") for item in container.get("volumes", [])]
    for mount in container.get("mountPoints", []):
        if mount.get("sourceVolume") not in names:
            raise BatchError(
                f"{where}: mountPoints names the volume {mount.get('sourceVolume')!r}, which does not exist"
            )
    for item in container.get("volumes", []):
        if "s3filesVolumeConfiguration" in item:
            raise NotModelledError("volumes.s3filesVolumeConfiguration")
        if "efsVolumeConfiguration" in item:
            _check_efs(item["efsVolumeConfiguration"], where)


def _check_efs(settings: Json, where: str) -> None:
    authorization = settings.get("authorizationConfig", {})
    access_point, iam = authorization.get("accessPointId"), authorization.get("iam", "DISABLED")
    if (access_point or iam == "ENABLED") and settings.get("transitEncryption", "DISABLED") != "ENABLED":
        raise BatchError(f"{where}: transitEncryption must be ENABLED with an access point or IAM authorization")
    if access_point and settings.get("rootDirectory", "/") != "/":
        raise BatchError(f"{where}: rootDirectory must be omitted or / with an access point")


@dataclass(frozen=True)
class Mount:
    path: str
    """In the container."""
    folder: Path | None
    """Folder of the volume; None for an empty one that only this container uses."""
    read_only: bool


def mounts(settings: Settings, scope: Scope, container: Json, own: dict[str, Path]) -> tuple[Mount, ...]:
    """Return the container's mounts; `own` has the folders, by path, of this container's instance.

    Raises:
        MountError: a file system cannot be mounted.
    """
    known = {item["name"]: item for item in container.get("volumes", [])}
    return tuple(
        Mount(
            mount["containerPath"].rstrip("/"),
            _folder(settings.state_dir / "volumes", scope, known[mount["sourceVolume"]], own),
            bool(mount.get("readOnly")),
        )
        for mount in container.get("mountPoints", [])
    )


def through_mounts(found: Iterable[Mount], value: str) -> str:
    """Return a variable's value; a path in a mount is changed to the path on this machine."""
    for mount in found:
        if mount.folder is not None and (value == mount.path or value.startswith(mount.path + "/")):
            return str(mount.folder) + value[len(mount.path) :]
    return value


def _folder(root: Path, scope: Scope, volume: Json, own: dict[str, Path]) -> Path | None:
    source = volume.get("host", {}).get("sourcePath")
    if "efsVolumeConfiguration" in volume:
        folder = root / "efs" / _efs_path(scope, volume["efsVolumeConfiguration"])
    elif source in own:
        folder = own[source]
    elif source:
        folder = root / source.strip("/")
    else:
        return None
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o777)
    return folder


def _efs_path(scope: Scope, settings: Json) -> Path:
    """Resolve the path of a mount below the root of all file systems, like the mount helper."""
    file_system = settings["fileSystemId"]
    with request_scope(scope.account, scope.region):
        if file_system not in efs._file_systems:
            raise MountError(f"Failed to resolve {file_system}.efs.{scope.region}.amazonaws.com")
        if not any(item["FileSystemId"] == file_system for item in efs._mount_targets.values()):
            raise MountError(f"Failed to resolve {file_system}.efs.{scope.region}.amazonaws.com: no mount target")
        identity = settings.get("authorizationConfig", {}).get("accessPointId")
        point = efs._access_points.get(identity)
    if identity is None:
        return Path(file_system) / settings.get("rootDirectory", "/").strip("/")
    if point is None or point["FileSystemId"] != file_system:
        raise MountError(f"mount.nfs4: access denied by server: {identity} is no access point of {file_system}")
    return Path(file_system) / point["RootDirectory"].get("Path", "/").strip("/")
