"""Checks that the containers of job definitions can start and run as configured.

Every check takes the whole environment and yields problems.
"""

from __future__ import annotations

from collections.abc import Iterator

from hpc_constructs.config.checks.rule import check
from hpc_constructs.config.models import Environment
from hpc_constructs.config.problems import Problem
from hpc_constructs.config.sizing import HOST, SCRATCH, SHARED, mounts_scratch, size_of

RESERVED = ("AWS_", "HPC_", "ECS_")


@check("HPC217")
def secrets(environment: Environment) -> Iterator[Problem]:
    """Secrets have no name that the platform uses."""
    for name, item in environment.definitions.items():
        for variable in item.secrets:
            if variable.startswith(RESERVED):
                yield Problem(
                    path=("definitions", name, "secrets", variable),
                    given=f"'{variable}'",
                    allowed="names that do not begin with AWS_, HPC_ or ECS_",
                    fix="choose another name",
                )


@check("HPC218")
def memory_file_systems(environment: Environment) -> Iterator[Problem]:
    """File systems in memory fit into it, and nothing is mounted twice."""
    for name, item in environment.definitions.items():
        size = size_of(environment, name)
        in_memory = size.shared_memory_mib + sum(item.tmpfs.values())
        if item.tmpfs and in_memory > size.memory_mib:
            yield Problem(
                path=("definitions", name, "tmpfs"),
                given=f"{in_memory} MiB with /dev/shm",
                allowed=f"at most the memory, {size.memory_mib} MiB, of which they are a part",
                fix="lower tmpfs or shared_memory_mib, or raise memory_mib",
            )
        for path, what, fix in _taken(environment, name):
            if path in item.tmpfs:
                yield Problem(
                    path=("definitions", name, "tmpfs", path),
                    given=f"{path}, where {what}",
                    allowed="other paths",
                    fix=fix,
                )


def _taken(environment: Environment, definition: str) -> Iterator[tuple[str, str, str]]:
    """Yield the paths where something is mounted already, its description, and the fix."""
    yield HOST, "the facts of the instance are mounted", "remove it"
    if mounts_scratch(environment, definition):
        yield SCRATCH, "the instance store is mounted", "remove it, or set scratch: root-volume"
    if environment.file_system:
        yield SHARED, "the shared file system is mounted", "remove it, or the file_system"


@check("HPC219")
def read_only_roots(environment: Environment) -> Iterator[Problem]:
    """A read-only root leaves writable space for temporary files, and excludes execute-command, whose agent writes
    to the root
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html#ecs-exec-considerations)."""
    for name, item in environment.definitions.items():
        if not item.read_only_root:
            continue
        if "/tmp" not in item.tmpfs:  # noqa: S108 (of the container)
            yield Problem(
                path=("definitions", name, "read_only_root"),
                given="true without a writable /tmp",
                allowed="a read-only root with /tmp in memory, where jobs put their files",
                fix="add `tmpfs: {/tmp: 1024}`",
            )
        if item.enable_execute_command:
            yield Problem(
                path=("definitions", name, "enable_execute_command"),
                given="true with read_only_root: true",
                allowed="one of the two: the session's agent writes to the container's root",
                fix="remove one of the two",
            )


CHECKS = (secrets, memory_file_systems, read_only_roots)
