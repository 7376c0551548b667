"""What must have succeeded before a run starts, in the form that AWS Batch takes.

A job waits for at most 20 others (https://docs.aws.amazon.com/batch/latest/userguide/job_dependencies.html). A run that
waits for more gets barriers: jobs that do nothing but wait for 20 of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hpc.request.batch_limits import MAX_DEPENDENCIES


@dataclass(frozen=True, kw_only=True)
class Parent:
    """A Batch job that each child of an array waits for, child by child."""

    job_id: str
    children: int
    """Size of its array; 1 for a job that is none."""


@dataclass(frozen=True, kw_only=True)
class Barrier:
    """A job that does nothing; it succeeds when all that it waits for have succeeded."""

    name: str
    """Its Batch job name."""
    after: tuple[str, ...]
    """Batch job ids, and names of barriers before it."""


def barriers(after: tuple[str, ...], run_id: str, *, most: int = MAX_DEPENDENCIES) -> tuple[list[Barrier], list[str]]:
    """Return the fewest barriers that leave no more than `most` to wait for, and what is left to wait for.

    Args:
        most: dependencies that the run's own jobs can have on these.
    """
    waiting, made = list(after), list[Barrier]()
    while len(waiting) > most:
        # One that waits for n others stands for them: n - 1 fewer.
        count = min(MAX_DEPENDENCIES, len(waiting) - most + 1)
        made.append(Barrier(name=f"{run_id}-after-{len(made)}", after=tuple(waiting[:count])))
        waiting = [*waiting[count:], made[-1].name]
    return made, waiting


def depends_on(after: list[str], each: Parent | None, *, one_by_one: bool) -> list[dict[str, Any]]:
    """Return `dependsOn` of a job (https://docs.aws.amazon.com/batch/latest/APIReference/API_JobDependency.html).

    Args:
        after: what must have succeeded as a whole.
        each: an array of the same size, each child of which must have succeeded before the child of the same number.
        one_by_one: whether each child waits for the one before it.
    """
    items: list[dict[str, Any]] = [{"jobId": job_id} for job_id in after]
    if each is not None:
        items.append({"jobId": each.job_id} | ({"type": "N_TO_N"} if each.children > 1 else {}))
    if one_by_one:
        items.append({"type": "SEQUENTIAL"})
    return items


def resolved(job: dict[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """Return a SubmitJob request with job ids where its `dependsOn` has names of jobs that were submitted before."""
    if "dependsOn" not in job:
        return job
    items = [
        item | {"jobId": ids.get(item["jobId"], item["jobId"])} if "jobId" in item else item
        for item in job["dependsOn"]
    ]
    return job | {"dependsOn": items}
