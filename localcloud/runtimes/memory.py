"""Whether a container ran out of memory, where podman does not see it: with control groups of version 1."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup/memory")


def watch(pid: int) -> int | None:
    """Return a descriptor that counts what happens to the memory of the process's control group; None where podman
    sees it (version 2), or the process has ended
    (https://docs.kernel.org/admin-guide/cgroup-v1/memory.html#oom-control)."""
    with contextlib.suppress(OSError, StopIteration):
        lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
        group = GROUPS / next(path for _, controllers, path in lines if controllers == "memory").lstrip("/")
        with (group / "memory.oom_control").open() as control:
            counter = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            (group / "cgroup.event_control").write_text(f"{counter} {control.fileno()}")
            return counter
    return None


def ran_out(counter: int) -> bool:
    """Whether it ran out of memory, once the control group has been removed, which counts as one."""
    try:
        return os.eventfd_read(counter) > 1
    except BlockingIOError:
        return False
    finally:
        os.close(counter)
