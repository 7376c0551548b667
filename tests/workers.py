"""What the workers of one run share: which tests go to which of them, and folders that the first one fills.

Workers are more than cores, since the slow tests mostly wait. Tests on one deployed environment go to one worker, which
deploys it once; of the rest, each file is a unit. Units that wait longest begin first, the others fill their pauses.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = "HPC_TESTS_FOLDER"
END_TO_END = "tests/end_to_end"
UNITS = {
    # podman's storage and what containers leave on this machine are looked at as a whole: one worker at a time.
    "containers": (
        f"{END_TO_END}/test_containers.py",
        "tests/localcloud/runtimes/test_container_executor.py",
        "tests/container/",
        f"{END_TO_END}/test_push_image.py",
    ),
    "faults": (f"{END_TO_END}/faults/",),
    "clients": (f"{END_TO_END}/test_clients.py", f"{END_TO_END}/test_workflow.py"),
    "dev": (END_TO_END,),
}
"""Paths of tests that one worker runs; the first that fits counts."""
ALONE = tuple(
    f"{END_TO_END}/test_{name}.py"
    for name in ("account_guard", "changes", "destroy", "large_sweep", "networks", "null_executor", "own_images")
)
"""These have local clouds of their own."""
SINGLE = (f"{END_TO_END}/test_changes.py",)
"""Each of their tests has."""


def rank(nodeid: str) -> int:
    """Return which units begin first: those that wait longest."""
    order = [*UNITS, *ALONE]
    unit = unit_of(nodeid).partition("::")[0]
    return order.index(unit) if unit in order else len(order)


def unit_of(nodeid: str) -> str:
    """Return the name of the unit that a test belongs to."""
    path = nodeid.partition("::")[0]
    if path in SINGLE:
        return nodeid
    if path not in ALONE:
        for name, beginnings in UNITS.items():
            if path.startswith(beginnings):
                return name
    return path


def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all workers of this run share, and a run of pytest that a test starts."""
    if FOLDER not in os.environ:
        folder = tmp_path_factory.getbasetemp()
        os.environ[FOLDER] = str(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder)
    return Path(os.environ[FOLDER])


def once(folder: Path, fill: Callable[[Path], object]) -> Path:
    """Let the first who asks fill a new folder, while others wait; return it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            draft = folder.with_name(f"{folder.name}.draft")
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            fill(draft)
            draft.rename(folder)
    return folder
