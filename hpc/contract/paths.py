"""Where things are: keys in the data bucket, files that the instance leaves for its jobs."""

from __future__ import annotations

from dataclasses import dataclass

HOST_INSTANCE = "instance.json"
"""In the folder of `ENV_HOST`: an `Instance`. It may be missing for some seconds after the first job's start."""
HOST_SPOT_NOTICE = "spot-notice"
"""Likewise: what EC2 announces two minutes before it takes a Spot instance back, `{"action": "terminate", "time":
"2026-11-22T08:22:00Z"}`; missing until then
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html)."""


def run_of_job(job_id: str) -> str:
    """Return what stands for the run id in a job that `hpc` did not submit: no request.json belongs to it."""
    return f"job-{job_id}"


def object_key(project: str, sha256: str) -> str:
    """Key of a file that was sent from a submitter's machine, or of a folder's listing: named by its content, so that
    it is sent once and can be checked by whoever reads it."""
    return f"{project}/objects/{sha256}"


@dataclass(frozen=True, kw_only=True)
class RunPaths:
    """Keys of one run in the data bucket: `<project>/runs/<run id>/...`."""

    project: str
    run_id: str

    @property
    def prefix(self) -> str:
        return f"{self.project}/runs/{self.run_id}/"

    @property
    def request(self) -> str:
        """What was asked, by whom, with which version and SHA-256; claimed with `If-None-Match: *`."""
        return self.prefix + "request.json"

    @property
    def tasks(self) -> str:
        """One JSON object a line, one line a task, in the order of their positions."""
        return self.prefix + "tasks.jsonl"

    @property
    def tasks_index(self) -> str:
        """Where each line of `tasks` begins, and where the last one ends: TASK_OFFSETs."""
        return self.prefix + "tasks.idx"

    @property
    def outputs(self) -> str:
        return self.prefix + "outputs/"

    def output(self, index: int) -> str:
        """Prefix of the outputs of one task."""
        return f"{self.outputs}{index}/"

    def checkpoint(self, index: int, node: int | None) -> str:
        """Prefix of what a task has saved, or one node of a multi-node job."""
        return f"{self.prefix}checkpoints/{index}/" + ("" if node is None else f"node-{node}/")

    def status(self, index: int) -> str:
        """Written last, after all outputs of the task."""
        return f"{self.prefix}status/{index}.json"

    def pack_status(self, part: int, child: int) -> str:
        """What `status` holds, one line for each task that has ended, of a child that runs several."""
        return f"{self.prefix}status/pack-{part}-{child}.jsonl"

    def job(self, part: int) -> str:
        """Says which Batch job is the part, or that one is being sent; only one writer wins."""
        return f"{self.prefix}leases/{part}/job"

    def barrier(self, number: int) -> str:
        """The same of a job that only waits for others."""
        return f"{self.prefix}leases/after-{number}/job"

    def lease(self, part: int, index: int) -> str:
        """Holds the Batch job id and attempt that execute the task."""
        return f"{self.prefix}leases/{part}/{index}"

    def rendezvous(self, part: int, attempt: int, node: int | None = None) -> str:
        """Where the main node of a multi-node job says how to reach it, and another node why it does not come."""
        return f"{self.prefix}rendezvous/{part}/{attempt}{'' if node is None else f'-node-{node}'}.json"
