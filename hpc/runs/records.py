"""Records of the runs submitted from this machine, in the user's state directory."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from hpc.common.state_folder import state_folder
from hpc.contract.task_layout import Layout, Range


@dataclass(frozen=True, kw_only=True)
class Part:
    """One Batch job of a run, and its tasks."""

    number: int
    """Index among the run's Batch jobs, from 0."""
    job_id: str
    offset: int
    size: int
    settled: bool = True
    """True if no other job of this part can exist: its claim in S3 records a single SubmitJob call."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A submitted run."""

    run_id: str
    environment: str
    project: str
    name: str
    queue: str
    sha256: str
    submitted_at: str
    parts: tuple[Part, ...] = ()
    """The parts that AWS Batch has accepted."""
    pack: int = 1
    only: tuple[Range, ...] | None = None
    jobs: int
    """Number of parts of the run."""

    @property
    def is_complete(self) -> bool:
        return len(self.parts) == self.jobs and all(part.settled for part in self.parts)

    @property
    def layout(self) -> Layout:
        """The tasks of each part; part n of the layout is the n-th of `parts`."""
        parts = tuple((part.offset, part.size) for part in self.parts)
        return Layout(parts=parts, pack=self.pack, only=self.only)

    def child(self, job_id: str) -> tuple[int, int] | None:
        """Return part, in `layout`, and child number for a job id; None for a job of another run."""
        parent, _, child = job_id.partition(":")
        part = next((number for number, part in enumerate(self.parts) if part.job_id == parent), None)
        return None if part is None else (part, int(child or 0))

    def task_of(self, job_id: str) -> int | None:
        """Return the index of the task that a child runs; None if the job is not a child, or runs several tasks."""
        location = self.child(job_id) if ":" in job_id and self.pack == 1 else None
        return None if location is None else self.layout.index(self.layout.positions(*location).start)


def save(record: Record) -> None:
    """Write a record. An error is a note on stderr, since the run works without it."""
    path = state_folder() / record.environment / f"{record.run_id}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{os.getpid()}")
        scratch.write_text(json.dumps(asdict(record), indent=1) + "\n")
        scratch.replace(path)
    except OSError as error:
        _complain(f"note: {path.parent} cannot be written ({error.strerror}); note the run id yourself")


@cache
def _complain(line: str) -> None:
    """Print a line once: a run with many jobs is saved many times."""
    print(line, file=sys.stderr)


def load(environment: str | None, run_id: str) -> Record | None:
    """Return the record of a run, in any environment if none is named; None if there is none."""
    name = f"{run_id}.json"
    paths = [state_folder() / environment / name] if environment else state_folder().glob(f"*/{name}")
    return next((record for record in map(_read, paths) if record), None)


def recent(environment: str, count: int) -> Iterator[Record]:
    """Yield the latest runs of an environment, newest first."""
    paths = list((state_folder() / environment).glob("*.json")) if (state_folder() / environment).is_dir() else []
    records = (record for record in map(_read, paths) if record)
    yield from sorted(records, key=lambda record: record.submitted_at, reverse=True)[:count]


def _read(path: Path) -> Record | None:
    try:
        raw = json.loads(path.read_text())
        raw["parts"] = tuple(Part(**part) for part in raw["parts"])
        raw["only"] = raw["only"] and tuple((first, last) for first, last in raw["only"])
        return Record(**raw)
    except (OSError, ValueError, TypeError, KeyError):
        return None  # written by another version, or incomplete: the run is rebuilt from S3 and AWS Batch
