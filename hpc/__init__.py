"""Run work on an hpc-batch environment: `hpc` on the command line, `import hpc` in Python.

>>> import hpc
>>> cluster = hpc.connect("dev")
>>> run = cluster.submit(hpc.JobSpec(command=("python", "-c", "print(42)")))
>>> run.wait()
>>> run.fetch(Path("results"))

The container imports this package before the user's command starts, so each name below is loaded on first use.
docs/library.md describes the library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpc.aws.jobs import Job
    from hpc.cluster import Cluster, connect
    from hpc.contract.placeholders import Column
    from hpc.errors import BadInput, HpcError, NotFound
    from hpc.plan.plan import Plan
    from hpc.plan.skip_existing import Remaining
    from hpc.request.dependencies import Parent
    from hpc.request.job_spec import Input, JobSpec
    from hpc.request.tasks_file import Scan, TasksFile
    from hpc.runs.outputs import Output
    from hpc.runs.packed_tasks import PackedTask
    from hpc.runs.run import Run
    from hpc.submit.job_definitions import ListedDefinition

__version__ = "0.2.0"

__all__ = [
    "BadInput",
    "Cluster",
    "Column",
    "HpcError",
    "Input",
    "Job",
    "JobSpec",
    "ListedDefinition",
    "NotFound",
    "Output",
    "PackedTask",
    "Parent",
    "Plan",
    "Remaining",
    "Run",
    "Scan",
    "TasksFile",
    "__version__",
    "connect",
]

_MODULES = {
    "BadInput": "hpc.errors",
    "Cluster": "hpc.cluster",
    "Column": "hpc.contract.placeholders",
    "HpcError": "hpc.errors",
    "Input": "hpc.request.job_spec",
    "Job": "hpc.aws.jobs",
    "JobSpec": "hpc.request.job_spec",
    "ListedDefinition": "hpc.submit.job_definitions",
    "NotFound": "hpc.errors",
    "Output": "hpc.runs.outputs",
    "PackedTask": "hpc.runs.packed_tasks",
    "Parent": "hpc.request.dependencies",
    "Plan": "hpc.plan.plan",
    "Remaining": "hpc.plan.skip_existing",
    "Run": "hpc.runs.run",
    "Scan": "hpc.request.tasks_file",
    "TasksFile": "hpc.request.tasks_file",
    "connect": "hpc.cluster",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'hpc' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
