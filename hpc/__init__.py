"""Run work on an hpc-batch environment: `hpc` on the command line, `import hpc` in Python.

>>> import hpc
>>> cluster = hpc.connect("dev")
>>> run = cluster.submit(hpc.JobSpec(command=("python", "-c", "print(42)")))
>>> run.wait()
>>> run.fetch(Path("results"))

The container imports this package before the user's command starts, so the names below are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpc.cluster import Cluster, connect
    from hpc.errors import BadInput, HpcError, NotFound
    from hpc.request.job_spec import Input, JobSpec
    from hpc.request.tasks_file import TasksFile
    from hpc.runs.run import Run

__all__ = ["BadInput", "Cluster", "HpcError", "Input", "JobSpec", "NotFound", "Run", "TasksFile", "connect"]

__version__ = "0.2.0"

_HOMES = {
    "BadInput": "hpc.errors",
    "Cluster": "hpc.cluster",
    "HpcError": "hpc.errors",
    "Input": "hpc.request.job_spec",
    "JobSpec": "hpc.request.job_spec",
    "NotFound": "hpc.errors",
    "Run": "hpc.runs.run",
    "TasksFile": "hpc.request.tasks_file",
    "connect": "hpc.cluster",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'hpc' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
