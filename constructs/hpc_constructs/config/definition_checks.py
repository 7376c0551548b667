"""Whether the containers of job definitions can start and work as the configuration says.

Every check takes the whole environment and yields what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from hpc_constructs.config.check import check
from hpc_constructs.config.models import Environment
from hpc_constructs.config.problems import Problem
from hpc_constructs.config.sizing import SCRATCH, mounts_scratch, size_of

RESERVED = ("AWS_", "HPC_", "ECS_")


@check("HPC217")
def secrets(environment: Environment) -> Iterator[Problem]:
    """Secrets take no name that the platform uses."""
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
    """What lies in memory fits into it, and nothing is mounted twice."""
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
        if SCRATCH in item.tmpfs and mounts_scratch(environment, name):
            yield Problem(
                path=("definitions", name, "tmpfs", SCRATCH),
                given=f"{SCRATCH}, where the instance store is mounted",
                allowed="other paths",
                fix="remove it, or set scratch: root-volume",
            )


@check("HPC219")
def read_only_roots(environment: Environment) -> Iterator[Problem]:
    """A read-only root leaves room for what must be written: temporary files by everybody, and the session of
    execute-command by the agent
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
