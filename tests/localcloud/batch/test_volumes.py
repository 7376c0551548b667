"""Volumes of containers: files that jobs share, and mounts that fail."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.slow


@pytest.fixture
def file_system(world: Any) -> str:
    efs = world.client("efs")
    identity = efs.create_file_system(CreationToken=world.unique("files"))["FileSystemId"]
    efs.create_mount_target(FileSystemId=identity, SubnetId=world.network["subnets"][0])
    return identity


def access_point(world: Any, file_system: str, path: str) -> str:
    answer = world.client("efs").create_access_point(
        ClientToken=world.unique("point"), FileSystemId=file_system, RootDirectory={"Path": path}
    )
    return answer["AccessPointId"]


def container(file_system: str, point: str | None = None, **changes: Any) -> dict[str, Any]:
    authorization = {"authorizationConfig": {"accessPointId": point, "iam": "ENABLED"}} if point else {}
    settings = {"fileSystemId": file_system, "transitEncryption": "ENABLED", **authorization, **changes}
    return {
        "volumes": [{"name": "shared", "efsVolumeConfiguration": settings}],
        "mountPoints": [{"sourceVolume": "shared", "containerPath": "/shared"}],
        "environment": [{"name": "SHARED", "value": "/shared"}],
    }


def test_a_later_job_reads_what_an_earlier_one_wrote(world: Any, file_system: str) -> None:
    point = access_point(world, file_system, "/alpha")
    writes, reads = (world.define(container=container(file_system, point)) for _ in range(2))
    world.run("sh", "-c", "echo kept > $SHARED/note", definition=writes)
    assert world.lines(world.run("sh", "-c", "cat $SHARED/note", definition=reads)) == ["kept"]


def test_another_access_point_leads_to_another_folder_of_the_same_file_system(world: Any, file_system: str) -> None:
    one, other = (access_point(world, file_system, path) for path in ("/alpha", "/beta"))
    world.run("sh", "-c", "echo kept > $SHARED/note", definition=world.define(container=container(file_system, one)))
    job = world.run("sh", "-c", "ls $SHARED", definition=world.define(container=container(file_system, other)))
    assert world.lines(job) == []
    job = world.run("sh", "-c", "ls $SHARED", definition=world.define(container=container(file_system)))
    assert world.lines(job) == ["alpha", "beta"]


def test_the_path_itself_is_not_there_for_a_process(world: Any, file_system: str) -> None:
    """Nothing pretends that it was mounted."""
    point = access_point(world, file_system, "/alpha")
    definition = world.define(container=container(file_system, point))
    job = world.run("sh", "-c", "echo lost > /shared/note", definition=definition)
    assert job["status"] == "FAILED"


@pytest.mark.parametrize("missing", ["file system", "access point", "mount target"])
def test_a_job_does_not_start_without_what_it_mounts(world: Any, file_system: str, missing: str) -> None:
    efs = world.client("efs")
    if missing == "mount target":
        file_system = efs.create_file_system(CreationToken=world.unique("files"))["FileSystemId"]
    point = access_point(world, file_system, "/alpha")
    if missing == "access point":
        efs.delete_access_point(AccessPointId=point)
    if missing == "file system":
        file_system = "fs-0123456789abcdef0"
    job = world.run("true", definition=world.define(container=container(file_system, point)))
    assert job["status"] == "FAILED"
    assert job["statusReason"] == "Task failed to start"
    assert job["attempts"][0]["container"]["reason"].startswith("ResourceInitializationError")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transitEncryption": "DISABLED"}, "transitEncryption must be ENABLED"),
        ({"rootDirectory": "/elsewhere"}, "rootDirectory must be omitted or /"),
    ],
)
def test_what_an_access_point_excludes_is_refused(world: Any, changes: dict[str, str], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        world.define(container=container("fs-0123456789abcdef0", "fsap-0123456789abcdef0", **changes))


def test_a_mount_point_of_no_volume_is_refused(world: Any) -> None:
    with pytest.raises(ClientError, match="names the volume 'x', which does not exist"):
        world.define(container={"mountPoints": [{"sourceVolume": "x", "containerPath": "/x"}]})
