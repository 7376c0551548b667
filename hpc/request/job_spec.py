"""The request for a run, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hpc.contract.task_layout import Range
from hpc.request.dependencies import Parent
from hpc.request.tasks_file import TasksFile


@dataclass(frozen=True)
class Input:
    """A file or folder, on this machine or in S3, whose path in the container is in `$name`."""

    name: str
    source: str

    @property
    def is_uri(self) -> bool:
        return self.source.startswith("s3://")

    @property
    def path(self) -> Path:
        return Path(self.source)


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """One run: a command, its tasks or nodes, its resources, inputs and outputs.

    Everything but the command has a default: the queue's definition gives vCPUs, memory, timeout and attempts.
    """

    command: tuple[str, ...]
    queue: str | None = None
    """Default: the queue `loosely-coupled`, or `tightly-coupled` if `nodes` is set."""
    definition: str | None = None
    """Default: the definition that the queue names."""
    image: str | None = None
    """Container image instead of the definition's, `registry/name:tag` or with digest; its entrypoint is `hpc-node`."""
    project: str | None = None
    """Default: the environment's default project."""
    name: str | None = None
    """Default: the command's first word."""
    vcpus: int | None = None
    memory_mib: int | None = None
    gpus: int | None = None
    array: int | None = None
    """Number of tasks; `$HPC_INDEX` is the number of the task, from 0."""
    tasks: TasksFile | None = None
    """One task per row; `{column}` in the command is replaced by the row's value."""
    only: tuple[Range, ...] | None = None
    """Ranges, first and last number, of the tasks to run; they keep their numbers. None: all."""
    pack: int = 1
    """Tasks per child, run one after the other, each with a separate exit code; for many short tasks."""
    nodes: int | None = None
    slots_per_node: int | None = None
    """Slots per node in the hostfile: ranks that `mpirun` starts there by default. Default: the vCPUs."""
    every_node: bool = False
    """Run the command on every node, for frameworks without `mpirun`; otherwise on the main node only."""
    after: tuple[str, ...] = ()
    """Ids of Batch jobs that must succeed first."""
    after_each: tuple[Parent, ...] = ()
    """The Batch jobs of a run with the same number of tasks: each task waits for the task with the same number."""
    one_by_one: bool = False
    """Start each child of the array when the previous one has succeeded."""
    inputs: tuple[Input, ...] = ()
    outputs: tuple[str, ...] = ()
    """Each one of: `NAME`, a file or folder that the command writes to the path in `$NAME`; `NAME=s3://...`, the same,
    with a destination; `out/*.vtk`, a pattern for files that the command creates or changes in its working directory.
    """
    on_failure: str = "all"
    """Outputs that are kept when the command fails: all, logs (files named *.log, *.out, *.err) or none."""
    checkpoint_minutes: int | None = None
    """Minutes between saves of `$HPC_CHECKPOINT_DIR`, which the next attempt gets back. None: no checkpoints."""
    signal: str | None = None
    """As in Slurm, `USR1@60`: the signal that the command gets, and the seconds before its timeout or the end of a Spot
    instance. None: SIGTERM when a Spot interruption is announced."""
    workdir: Path | None = None
    """A folder on this machine; the command runs in a copy of it, without the files that git ignores."""
    script: Path | None = None
    """A script on this machine to run; the command is then its arguments."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    """Variables whose values AWS Batch reads when the container starts: ARNs in Secrets Manager or Parameter Store."""
    retries: int | None = None
    """Retries of a failed command, 0 to 9. Default: only those of the definition, for lost hosts."""
    timeout_s: int | None = None
    """Timeout of one attempt in seconds, at least 60."""
    share: str | None = None
    """Share identifier in a queue with fair-share scheduling; None: the project's."""
    priority: int | None = None
    """Scheduling priority within the share, 0 to 9999."""
