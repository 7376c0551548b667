"""The SubmitJob requests of a run (https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html)."""

from __future__ import annotations

import json
from typing import Any

from hpc.aws.environment import Environment
from hpc.common import run_ids
from hpc.common.file_tree import is_text
from hpc.common.local_user import user_name
from hpc.contract import exit_codes, objects, variables
from hpc.contract.run_request import RunRequest
from hpc.request.batch_limits import MAX_PAYLOAD_BYTES
from hpc.request.dependencies import Barrier, depends_on
from hpc.request.job_spec import JobSpec
from hpc.request.target import Target

_RETRY_COMMAND = [
    # A duplicate start must not run again, whatever --retries says.
    {"onExitCode": str(exit_codes.DUPLICATE), "action": "EXIT"},
    {"onReason": "*", "action": "RETRY"},
]


def submit_jobs(
    spec: JobSpec, target: Target, environment: Environment, request: RunRequest, after: list[str]
) -> list[dict[str, Any]]:
    """Return the SubmitJob request of each part. What AWS Batch would not pass on as it is, the container takes from
    request.json: the job then carries a word about where the command is.

    Args:
        after: Batch job ids that must have succeeded, and names of jobs that are submitted before these.
    """
    layout = request.layout

    def jobs(command: tuple[str, ...] | None) -> list[dict[str, Any]]:
        return [
            _submit_job(spec, target, environment, request, part, command)
            | _array(layout.children(part))
            | _dependencies(spec, request, part, layout.children(part), after)
            for part in range(len(layout.parts))
        ]

    found = jobs(request.command)
    return found if _passes(request.command, found) else jobs(None)


def _passes(command: tuple[str, ...], jobs: list[dict[str, Any]]) -> bool:
    """Whether AWS Batch takes the requests and leaves the command as it is: it refuses empty words, knows only UTF-8
    and replaces `Ref::name` (https://docs.aws.amazon.com/batch/latest/userguide/job_definition_parameters.html)."""
    plain = all(word and "Ref::" not in word and is_text(word) for word in command)
    return plain and all(len(json.dumps(job)) <= MAX_PAYLOAD_BYTES for job in jobs)


def _array(children: int) -> dict[str, Any]:
    return {"arrayProperties": {"size": children}} if children > 1 else {}


def _dependencies(spec: JobSpec, request: RunRequest, part: int, children: int, after: list[str]) -> dict[str, Any]:
    before = [run_ids.job_name(request.run_id, part - 1, request.name)] if spec.one_by_one and part else []
    each = spec.after_each[part] if spec.after_each else None
    items = depends_on([*after, *before], each, one_by_one=spec.one_by_one and children > 1)
    return {"dependsOn": items} if items else {}


def barrier_job(
    barrier: Barrier, spec: JobSpec, target: Target, environment: Environment, run_id: str
) -> dict[str, Any]:
    """Return the SubmitJob request of a barrier. It runs `true`, on a queue of single jobs, as small as can be."""
    job = _common(barrier.name, spec, target, environment, run_id)
    return job | {
        "containerOverrides": {
            "command": ["true"],
            "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}],
        },
        "dependsOn": depends_on(list(barrier.after), None, one_by_one=False),
    }


def _submit_job(
    spec: JobSpec,
    target: Target,
    environment: Environment,
    request: RunRequest,
    part: int,
    command: tuple[str, ...] | None,
) -> dict[str, Any]:
    name = run_ids.job_name(request.run_id, part, request.name)
    job = _common(name, spec, target, environment, request.run_id)
    override = _container_override(spec, request, part, command)
    if spec.nodes is None:
        job["containerOverrides"] = override
    else:
        job["nodeOverrides"] = {
            "numNodes": spec.nodes,
            "nodePropertyOverrides": [{"targetNodes": "0:", "containerOverrides": override}],
        }
    if spec.retries is not None:
        job["retryStrategy"] = {"attempts": spec.retries + 1, "evaluateOnExit": _RETRY_COMMAND}
    if spec.timeout_s is not None:
        job["timeout"] = {"attemptDurationSeconds": spec.timeout_s}
    if spec.priority is not None:
        job["schedulingPriorityOverride"] = spec.priority
    return job


def _common(name: str, spec: JobSpec, target: Target, environment: Environment, run_id: str) -> dict[str, Any]:
    job: dict[str, Any] = {
        "jobName": name,
        "jobQueue": target.queue.arn,
        "jobDefinition": target.definition.arn,
        "tags": {
            objects.TAG_ENVIRONMENT: environment.name,
            objects.TAG_PROJECT: target.project.name,
            objects.TAG_RUN: run_id,
            objects.TAG_USER: user_name(),
        },
        "propagateTags": True,
    }
    if target.queue.fair_share:
        job["shareIdentifier"] = spec.share or target.project.share_identifier
    return job


def _container_override(
    spec: JobSpec, request: RunRequest, part: int, command: tuple[str, ...] | None
) -> dict[str, Any]:
    override: dict[str, Any] = {
        "command": list(command or ("command:", "see", "request.json")),
        "environment": [
            {"name": variables.ENV_RUN_ID, "value": request.run_id},
            {"name": variables.ENV_PART, "value": str(part)},
        ],
    }
    if command is None:
        override["environment"].append({"name": variables.ENV_COMMAND, "value": variables.COMMAND_IN_REQUEST})
    wanted = {"VCPU": spec.vcpus, "MEMORY": spec.memory_mib, "GPU": spec.gpus or None}
    resources = [{"type": kind, "value": str(value)} for kind, value in wanted.items() if value is not None]
    if resources:
        override["resourceRequirements"] = resources
    return override
