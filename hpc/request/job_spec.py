"""What a researcher wants, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hpc.contract.task_layout import Range
from hpc.request.dependencies import Parent
from hpc.request.tasks_file import TasksFile


@dataclass(frozen=True)
class Input:
    """A file or folder that the command finds at `$name`: on this machine, or in S3."""

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
    """One run: a command, how often, on how many nodes, with which inputs and outputs.

    Everything but the command has a default: the queue's definition gives vCPUs, memory, time-out and attempts.
    """

    command: tuple[str, ...]
    queue: str | None = None
    """Default: the queue `loosely-coupled`, or `tightly-coupled` where nodes are asked for."""
    definition: str | None = None
    """Default: the definition that the queue names."""
    image: str | None = None
    """A container image instead of the definition's, `registry/name:tag` or by digest; `hpc-node` is its entrypoint."""
    project: str | None = None
    """Default: the environment's default project."""
    name: str | None = None
    """Default: the command's first word."""
    vcpus: int | None = None
    memory_mib: int | None = None
    gpus: int | None = None
    array: int | None = None
    """Number of tasks; each finds its own number, from 0, in `$HPC_INDEX`."""
    tasks: TasksFile | None = None
    """One task a row; `{column}` in the command is the row's value."""
    only: tuple[Range, ...] | None = None
    """First and last number of the rows, or of `array`, that are to run; None: all. They keep their numbers."""
    pack: int = 1
    """Tasks that one child runs, one after the other, each with an exit code of its own; for many short ones."""
    nodes: int | None = None
    slots_per_node: int | None = None
    """How many ranks `mpirun` starts on each node when it is not told. Default: as many as vCPUs."""
    every_node: bool = False
    """Whether the command runs on every node, for frameworks without `mpirun`; else on the main one alone."""
    after: tuple[str, ...] = ()
    """Batch job ids that must succeed first."""
    after_each: tuple[Parent, ...] = ()
    """The Batch jobs of a run of as many tasks: each task starts when the task of the same number has succeeded."""
    one_by_one: bool = False
    """Whether each child of an array starts when the one before it has succeeded."""
    inputs: tuple[Input, ...] = ()
    outputs: tuple[str, ...] = ()
    """Each one of: `NAME`, the command writes a file or folder to the path in `$NAME`; `NAME=s3://...`, the same, kept
    there; `out/*.vtk`, what the command creates or changes below its working directory and the pattern matches."""
    on_failure: str = "all"
    """What is kept of the outputs when the command fails: all, logs (files named *.log, *.out, *.err) or none."""
    checkpoint_minutes: int | None = None
    """How often `$HPC_CHECKPOINT_DIR` is saved, which the next attempt finds again; None: there is none."""
    signal: str | None = None
    """As in Slurm, `USR1@60`: what the command gets how many seconds before its time-out and before the end of a Spot
    instance. None: SIGTERM when that end is announced."""
    workdir: Path | None = None
    """A folder of this machine, sent as git would see it; the command runs in a copy of it."""
    script: Path | None = None
    """A script of this machine to run; the command then is its arguments."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    """Variables whose values AWS Batch reads when the container starts: ARNs in Secrets Manager or Parameter Store."""
    retries: int | None = None
    """How often a failed command runs again, 0 to 9. Default: only what the definition retries (lost hosts)."""
    timeout_s: int | None = None
    """Seconds for one attempt, at least 60."""
    share: str | None = None
    """Share identifier in a queue with fair share; None: the project's."""
    priority: int | None = None
    """Scheduling priority within the share, 0 to 9999."""
