"""Dependencies of a run, as AWS Batch takes them.

A job depends on at most 20 others (https://docs.aws.amazon.com/batch/latest/userguide/job_dependencies.html). A run
with more gets barriers: jobs that only wait for 20 of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hpc.request.batch_limits import MAX_DEPENDENCIES


@dataclass(frozen=True, kw_only=True)
class Parent:
    """A Batch job on which an array depends child by child (`N_TO_N`)."""

    job_id: str
    children: int
    """Size of its array; 1 for a job that is not an array."""


@dataclass(frozen=True, kw_only=True)
class Barrier:
    """A job without work that succeeds when all its dependencies have succeeded."""

    name: str
    """Its Batch job name."""
    after: tuple[str, ...]
    """Batch job ids, and names of earlier barriers."""


def barriers(after: tuple[str, ...], run_id: str, *, most: int = MAX_DEPENDENCIES) -> tuple[list[Barrier], list[str]]:
    """Return the fewest barriers that reduce the dependencies to `most`, and the dependencies that remain.

    Args:
        most: dependencies that a job of the run may have on these.
    """
    waiting, made = list(after), list[Barrier]()
    while len(waiting) > most:
        # A barrier replaces its n dependencies by one.
        count = min(MAX_DEPENDENCIES, len(waiting) - most + 1)
        made.append(Barrier(name=f"{run_id}-after-{len(made)}", after=tuple(waiting[:count])))
        waiting = [*waiting[count:], made[-1].name]
    return made, waiting


def depends_on(after: list[str], each: Parent | None, *, one_by_one: bool) -> list[dict[str, Any]]:
    """Return `dependsOn` of a job (https://docs.aws.amazon.com/batch/latest/APIReference/API_JobDependency.html).

    Args:
        after: jobs that must have succeeded as a whole.
        each: an array of the same size, whose child must succeed before the child with the same number starts.
        one_by_one: whether each child waits for the previous one.
    """
    items: list[dict[str, Any]] = [{"jobId": job_id} for job_id in after]
    if each is not None:
        items.append({"jobId": each.job_id} | ({"type": "N_TO_N"} if each.children > 1 else {}))
    if one_by_one:
        items.append({"type": "SEQUENTIAL"})
    return items


def resolved(job: dict[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """Return a SubmitJob request whose `dependsOn` has job ids in place of the names of jobs submitted before."""
    if "dependsOn" not in job:
        return job
    items = [
        item | {"jobId": ids.get(item["jobId"], item["jobId"])} if "jobId" in item else item
        for item in job["dependsOn"]
    ]
    return job | {"dependsOn": items}
