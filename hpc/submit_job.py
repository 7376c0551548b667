"""The SubmitJob requests of a run (https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hpc import contract, runid
from hpc.environment import Environment
from hpc.spec import JobSpec
from hpc.target_checks import Target
from hpc.user import user_name

_RETRY_COMMAND = [
    # A duplicate start must not run again, whatever --retries says.
    {"onExitCode": str(contract.EXIT_DUPLICATE), "action": "EXIT"},
    {"onReason": "*", "action": "RETRY"},
]


def submit_jobs(
    spec: JobSpec, target: Target, environment: Environment, request: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the SubmitJob request of each part."""
    layout = contract.Layout.of(request)
    for part in range(len(layout.parts)):
        yield _submit_job(spec, target, environment, request, part, layout.children(part))


def _submit_job(
    spec: JobSpec, target: Target, environment: Environment, request: dict[str, Any], part: int, children: int
) -> dict[str, Any]:
    job: dict[str, Any] = {
        "jobName": runid.job_name(request["run_id"], part, request["name"]),
        "jobQueue": target.queue.arn,
        "jobDefinition": target.definition.arn,
        "tags": {
            contract.TAG_ENVIRONMENT: environment.name,
            contract.TAG_PROJECT: target.project.name,
            contract.TAG_RUN: request["run_id"],
            contract.TAG_USER: user_name(),
        },
        "propagateTags": True,
    }
    override = _container_override(spec, request, part)
    if spec.nodes is None:
        job["containerOverrides"] = override
    else:
        job["nodeOverrides"] = {
            "numNodes": spec.nodes,
            "nodePropertyOverrides": [{"targetNodes": "0:", "containerOverrides": override}],
        }
    if children > 1:
        job["arrayProperties"] = {"size": children}
    if spec.after:
        job["dependsOn"] = [{"jobId": job_id} for job_id in spec.after]
    if spec.retries is not None:
        job["retryStrategy"] = {"attempts": spec.retries + 1, "evaluateOnExit": _RETRY_COMMAND}
    if spec.timeout_s is not None:
        job["timeout"] = {"attemptDurationSeconds": spec.timeout_s}
    if target.queue.fair_share:
        job["shareIdentifier"] = spec.share or target.project.share_identifier
    if spec.priority is not None:
        job["schedulingPriorityOverride"] = spec.priority
    return job


def _container_override(spec: JobSpec, request: dict[str, Any], part: int) -> dict[str, Any]:
    override: dict[str, Any] = {
        "command": list(spec.command),
        "environment": [
            {"name": contract.ENV_RUN_ID, "value": request["run_id"]},
            {"name": contract.ENV_PART, "value": str(part)},
        ],
    }
    wanted = {"VCPU": spec.vcpus, "MEMORY": spec.memory_mib, "GPU": spec.gpus or None}
    resources = [{"type": kind, "value": str(value)} for kind, value in wanted.items() if value is not None]
    if resources:
        override["resourceRequirements"] = resources
    return override
