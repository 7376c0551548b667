"""Detection of containers that ran out of memory under cgroup v1, where podman does not see it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup/memory")


def watch(pid: int) -> int | None:
    """Return a descriptor that counts memory events of the process's cgroup; None under cgroup v2, where podman sees
    them, or if the process has ended
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
    """Return whether memory ran out. Call it after the removal of the cgroup, which counts as one event."""
    try:
        return os.eventfd_read(counter) > 1
    except BlockingIOError:
        return False
    finally:
        os.close(counter)
