"""Choice of the compute environment for a job, and the reason if there is none
(https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html)."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.batch.egress import has_egress
from localcloud.batch.model import ComputeEnvironment, Job, Queue, State

MAX_RESOURCE = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"
RESOURCE_REQUIREMENT = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"
INVALID_ENVIRONMENTS = "ACTION_REQUIRED - CE(s) associated with the job queue are invalid."


@dataclass(frozen=True)
class Verdict:
    environment: ComputeEnvironment | None
    reason: str | None = None
    """Why the job can never start; None if it only waits for capacity, or the service does not know."""


def judge(state: State, queue: Queue, job: Job) -> Verdict:
    """Find the first compute environment, in the queue's order, that has room for the job."""
    names = [entry["computeEnvironment"].rpartition("/")[2] for entry in queue.detail["computeEnvironmentOrder"]]
    usable = [item for name in names if (item := state.compute_environments[name]).usable]
    if not usable:
        return Verdict(None, INVALID_ENVIRONMENTS)
    fitting = [item for item in usable if not (item.is_spot and job.kind == "multi-node")]
    if not fitting:
        return Verdict(None, RESOURCE_REQUIREMENT)
    joining = [item for item in fitting if has_egress(state.scope, item, job.kind)]
    if not joining:
        return Verdict(None)
    large = [item for item in joining if job.vcpus <= item.max_vcpus]
    if not large:
        return Verdict(None, MAX_RESOURCE)
    return Verdict(next((item for item in large if item.used_vcpus + job.vcpus <= item.max_vcpus), None))
