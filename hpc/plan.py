"""From a request to what will be sent: the exact API requests, as values. Nothing here calls a service."""

from __future__ import annotations

import getpass
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hpc import contract, runid
from hpc.checks import MAX_PAYLOAD_BYTES, Target, check_against, check_request, unknown
from hpc.environment import Environment
from hpc.errors import BadInput
from hpc.spec import Input, JobSpec
from hpc.tasks import TasksFile

_RETRY_COMMAND = [
    # A duplicate start must not run again, whatever --retries says.
    {"onExitCode": str(contract.EXIT_DUPLICATE), "action": "EXIT"},
    {"onReason": "*", "action": "RETRY"},
]


@dataclass(frozen=True)
class Upload:
    """A local file and the key that it gets in the data bucket."""

    path: Path
    key: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run, ready to be sent."""

    paths: contract.RunPaths
    bucket: str
    request: dict[str, Any]
    """The body of `request.json`, but for who submits when."""
    uploads: tuple[Upload, ...]
    tasks: TasksFile | None
    jobs: tuple[dict[str, Any], ...]
    """The SubmitJob requests, in order."""
    queue: str

    @property
    def run_id(self) -> str:
        return self.paths.run_id


def plan(spec: JobSpec, environment: Environment, run_id: str) -> Plan:
    """Work out what `submit` will send.

    Raises:
        BadInput: the request cannot be right, with every complaint that can be found without a service.
    """
    complaints = list(check_request(spec))
    target = _target(spec, environment, complaints)
    if target is None:
        raise BadInput(complaints)
    complaints += check_against(spec, target, environment.meta)
    if complaints:
        raise BadInput(complaints)
    paths = contract.RunPaths(project=target.project.name, run_id=run_id)
    rows = spec.tasks.check()[0] if spec.tasks else None
    uploads = tuple(_uploads(spec, paths))
    request = _request(spec, target, paths, environment.meta.bucket, rows)
    request["sha256"] = _digest(request, spec, uploads)
    job = _submit_job(spec, target, environment, request)
    size = len(json.dumps(job))
    if size > MAX_PAYLOAD_BYTES:
        raise BadInput(
            f"the job is {size:,} bytes long, AWS Batch takes {MAX_PAYLOAD_BYTES:,}; put the long part of the command"
            " into a file and send it with --input SCRIPT=FILE -- bash -c 'bash $SCRIPT'"
        )
    return Plan(
        paths=paths,
        bucket=environment.meta.bucket,
        request=request,
        uploads=uploads,
        tasks=spec.tasks,
        jobs=(job,),
        queue=target.queue.name,
    )


def _target(spec: JobSpec, environment: Environment, complaints: list[str]) -> Target | None:
    """Find project, queue and definition, or add what is unknown to the complaints."""
    project_name = spec.project or environment.meta.default_project
    project = environment.projects.get(project_name)
    if project is None:
        complaints.append(unknown("--project", project_name, environment.projects, "project"))
    queue_name = spec.queue or _default_queue(spec, environment)
    queue = environment.queues.get(queue_name)
    if queue is None:
        complaints.append(unknown("--queue", queue_name, environment.queues, "queue"))
    if project is None or queue is None:
        return None
    definitions = environment.definitions_of(project.name)
    definition = definitions.get(spec.definition or queue.definition)
    if definition is None:
        name = spec.definition or queue.definition
        complaints.append(unknown("--definition", name, definitions, f"definition in project {project.name}"))
        return None
    return Target(project=project, queue=queue, definition=definition)


def _default_queue(spec: JobSpec, environment: Environment) -> str:
    kind: contract.Kind = "single" if spec.nodes is None else "multi-node"
    of_kind = [queue.name for queue in environment.queues.values() if queue.kind == kind]
    return of_kind[0] if len(of_kind) == 1 else contract.DEFAULT_QUEUES[kind]


def _uploads(spec: JobSpec, paths: contract.RunPaths) -> Iterator[Upload]:
    for item in spec.inputs:
        if item.is_uri:
            continue
        if item.path.is_dir():
            for path in sorted(path for path in item.path.rglob("*") if path.is_file()):
                yield Upload(path, paths.input(item.name, path.relative_to(item.path).as_posix()))
        else:
            yield Upload(item.path, paths.input(item.name, item.path.name))


def _uri(item: Input, paths: contract.RunPaths, bucket: str) -> str:
    if item.is_uri:
        return item.source
    return f"s3://{bucket}/{paths.input(item.name, '' if item.path.is_dir() else item.path.name)}"


def _request(spec: JobSpec, target: Target, paths: contract.RunPaths, bucket: str, rows: int | None) -> dict[str, Any]:
    size = rows or spec.array or 1
    return {
        "version": contract.VERSION,
        "run_id": paths.run_id,
        "project": target.project.name,
        "name": spec.name or _name_of(spec.command),
        "queue": target.queue.name,
        "definition": target.definition.name,
        "kind": target.queue.kind,
        "command": list(spec.command),
        "tasks": rows,
        "array": size if size > 1 else None,
        "nodes": spec.nodes,
        "vcpus": spec.vcpus or target.definition.vcpus,
        "memory_mib": spec.memory_mib or target.definition.memory_mib,
        "gpus": target.definition.gpus if spec.gpus is None else spec.gpus,
        "inputs": [{"name": item.name, "uri": _uri(item, paths, bucket)} for item in spec.inputs],
        "outputs": list(spec.outputs),
        "environment": dict(spec.environment),
        "parts": [{"offset": 0, "size": size}],
    }


def _name_of(command: tuple[str, ...]) -> str:
    """Return the command's first word as a job name."""
    word = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(command[0]).name).strip("-_")
    return word[: runid.MAX_NAME] or "job"


def _digest(request: dict[str, Any], spec: JobSpec, uploads: tuple[Upload, ...]) -> str:
    """Hash what was asked, with the content of every file, so that a resumed run is known to be the same."""
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode())
    after = json.dumps([spec.after, spec.retries, spec.timeout_s, spec.share, spec.priority])
    digest.update(after.encode())
    files = [upload.path for upload in uploads] + ([spec.tasks.path] if spec.tasks else [])
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _submit_job(spec: JobSpec, target: Target, environment: Environment, request: dict[str, Any]) -> dict[str, Any]:
    """Return the SubmitJob request (https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html)."""
    job: dict[str, Any] = {
        "jobName": runid.job_name(request["run_id"], 0, request["name"]),
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
    override = _container_override(spec, request)
    if spec.nodes is None:
        job["containerOverrides"] = override
    else:
        job["nodeOverrides"] = {
            "numNodes": spec.nodes,
            "nodePropertyOverrides": [{"targetNodes": "0:", "containerOverrides": override}],
        }
    if request["array"]:
        job["arrayProperties"] = {"size": request["array"]}
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


def _container_override(spec: JobSpec, request: dict[str, Any]) -> dict[str, Any]:
    override: dict[str, Any] = {
        "command": list(spec.command),
        "environment": [
            {"name": contract.ENV_RUN_ID, "value": request["run_id"]},
            {"name": contract.ENV_PART, "value": "0"},
        ],
    }
    wanted = {"VCPU": spec.vcpus, "MEMORY": spec.memory_mib, "GPU": spec.gpus or None}
    resources = [{"type": kind, "value": str(value)} for kind, value in wanted.items() if value is not None]
    if resources:
        override["resourceRequirements"] = resources
    return override


def user_name() -> str:
    """Return who submits, as a tag value (https://docs.aws.amazon.com/batch/latest/userguide/using-tags.html)."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return re.sub(r"[^\w .:/=+@-]", "-", name)[:256] or "unknown"


def client_name() -> str:
    """Return this client's name and version, for `request.json`."""
    return f"hpc {version('hpc-batch')}"
