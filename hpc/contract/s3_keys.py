"""Keys in the data bucket."""

from __future__ import annotations

from dataclasses import dataclass


def run_of_job(job_id: str) -> str:
    """Return the run id of a job that `hpc` did not submit; there is no request.json for it."""
    return f"job-{job_id}"


def object_key(project: str, sha256: str) -> str:
    """Return the key in the content store of a local file or a folder listing.

    The key is derived from the content, so an object is uploaded once and every reader can verify it.
    """
    return f"{project}/objects/{sha256}"


@dataclass(frozen=True, kw_only=True)
class RunPaths:
    """Keys of one run in the data bucket: `<project>/runs/<run id>/...`."""

    project: str
    run_id: str

    @property
    def prefix(self) -> str:
        """Prefix of all of the run's keys; ends in `/`."""
        return f"{self.project}/runs/{self.run_id}/"

    @property
    def request(self) -> str:
        """The `RunRequest`; created with `If-None-Match: *`, so that one submission claims the run."""
        return self.prefix + "request.json"

    @property
    def tasks(self) -> str:
        """Rows of the tasks file: one JSON object per line and task, in order of position."""
        return self.prefix + "tasks.jsonl"

    @property
    def tasks_index(self) -> str:
        """Byte offsets, as TASK_OFFSETs, at which the lines of `tasks` begin, and at which the last one ends."""
        return self.prefix + "tasks.idx"

    @property
    def outputs(self) -> str:
        """Prefix of the outputs of all tasks."""
        return self.prefix + "outputs/"

    def output(self, index: int) -> str:
        """Prefix of the outputs of one task."""
        return f"{self.outputs}{index}/"

    def checkpoint(self, index: int, node: int | None) -> str:
        """Prefix of the checkpoint of a task, or of one node of a multi-node job."""
        return f"{self.prefix}checkpoints/{index}/" + ("" if node is None else f"node-{node}/")

    def status(self, index: int) -> str:
        """The `TaskStatus` of a task; written last, after all outputs of the task."""
        return f"{self.prefix}status/{index}.json"

    def pack_status(self, part: int, child: int) -> str:
        """The statuses of a child that runs several tasks: one `TaskStatus` per line and task that has ended."""
        return f"{self.prefix}status/pack-{part}-{child}.jsonl"

    def job(self, part: int) -> str:
        """The `Claim` of a part: the Batch job that runs it, or that one is being submitted; only one writer wins."""
        return f"{self.prefix}leases/{part}/job"

    def barrier(self, number: int) -> str:
        """The `Claim` of a job that only waits for other jobs."""
        return f"{self.prefix}leases/after-{number}/job"

    def lease(self, part: int, index: int) -> str:
        """The `Lease` of a task: the Batch job id and attempt that run it."""
        return f"{self.prefix}leases/{part}/{index}"

    def rendezvous(self, part: int, attempt: int, node: int | None = None) -> str:
        """The `RendezvousNote` of a multi-node job's main node, or the `AbsenceNote` of another node."""
        return f"{self.prefix}rendezvous/{part}/{attempt}{'' if node is None else f'-node-{node}'}.json"
