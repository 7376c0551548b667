"""SubmitJob, CancelJob and TerminateJob."""

from __future__ import annotations

import uuid

from localcloud.batch import definitions, job_refusals
from localcloud.batch.compute_environments import find_queue
from localcloud.batch.containers import effective, node_containers, requirements
from localcloud.batch.engine import Engine
from localcloud.batch.errors import BatchError
from localcloud.batch.model import Job, Queue, Request, State
from localcloud.json_types import Json


def submit(state: State, engine: Engine, params: Json) -> Json:
    queue = find_queue(state, params["jobQueue"])
    definition = definitions.find(state, params["jobDefinition"])
    job_refusals.check_submit(queue, definition, params)
    dependencies = [(_dependency(state, item), item) for item in params.get("dependsOn", [])]
    job = _new_job(state, queue, definition, params)
    if job.kind == "array":
        _add_children(state, job, params["arrayProperties"]["size"])
    elif job.kind == "multi-node":
        _add_nodes(state, job, definition, params.get("nodeOverrides", {}))
    for dependency, item in dependencies:
        _link(job, dependency, item)
    state.jobs[job.job_id] = job
    queue.jobs.append(job)
    engine.admit(job)
    return {"jobArn": state.scope.arn(f"job/{job.job_id}"), "jobName": job.name, "jobId": job.job_id}


def _request(definition: Json, params: Json) -> Request:
    timeout = params.get("timeout") or definition.get("timeout") or {}
    return Request(
        retry=params.get("retryStrategy") or definition.get("retryStrategy") or {"attempts": 1},
        timeout_s=timeout.get("attemptDurationSeconds"),
        parameters=definition["parameters"] | params.get("parameters", {}),
        tags=params.get("tags", {}),
        propagate_tags=params.get("propagateTags", definition["propagateTags"]),
        depends_on=tuple(params.get("dependsOn", [])),
        share=params.get("shareIdentifier", ""),
    )


def _new_job(state: State, queue: Queue, definition: Json, params: Json) -> Job:
    request = _request(definition, params)
    multinode = definition["type"] == "multinode"
    container: Json = {}
    if not multinode:
        overrides = [params.get("containerOverrides", {})]
        container = effective(definition["containerProperties"], overrides, request.parameters)
    return Job(
        job_id=str(uuid.uuid4()),
        name=params["jobName"],
        scope=state.scope,
        queue=queue,
        definition=definition,
        kind="multi-node" if multinode else "array" if params.get("arrayProperties") else "single",
        request=request,
        container=container,
        vcpus=0 if multinode else int(requirements(container)["VCPU"]),
        priority=params.get("schedulingPriorityOverride", definition.get("schedulingPriority", 0)),
    )


def _child(state: State, job: Job, separator: str, index: int, container: Json) -> None:
    child = Job(
        job_id=f"{job.job_id}{separator}{index}", name=job.name, scope=job.scope, queue=job.queue,
        definition=job.definition, kind="node" if separator == "#" else "single", request=job.request,
        container=container, vcpus=int(requirements(container)["VCPU"]), priority=job.priority, parent=job,
        index=index,
    )  # fmt: skip
    job.children.append(child)
    state.jobs[child.job_id] = child


def _add_children(state: State, job: Job, size: int) -> None:
    for index in range(size):
        _child(state, job, ":", index, job.container)
    job.counts["SUBMITTED"] = size


def _add_nodes(state: State, job: Job, definition: Json, overrides: Json) -> None:
    properties = definition["nodeProperties"]
    num_nodes = overrides.get("numNodes", properties["numNodes"])
    changes = overrides.get("nodePropertyOverrides", [])
    containers = node_containers(properties, num_nodes, changes, job.request.parameters)
    for index, container in enumerate(containers):
        _child(state, job, "#", index, container)
    job.vcpus = sum(node.vcpus for node in job.children)
    job.main_node = properties["mainNode"]
    job.node_properties = properties | {"numNodes": num_nodes}


def _dependency(state: State, item: Json) -> Job | None:
    kind = item.get("type")
    if "jobId" not in item:
        if kind != "SEQUENTIAL":
            raise BatchError("dependsOn needs a jobId, or the type SEQUENTIAL")
        return None
    if kind == "SEQUENTIAL":
        raise BatchError("A SEQUENTIAL dependency takes no jobId")
    if item["jobId"] not in state.jobs:
        raise BatchError(f"dependsOn: job {item['jobId']} not found")
    return state.jobs[item["jobId"]]


def _link(job: Job, dependency: Job | None, item: Json) -> None:
    """Make the job, or each of its children, wait for its dependency."""
    if item.get("type") is None and dependency is not None:
        _wait(job, dependency)
        return
    like = job if dependency is None else dependency
    if job.kind != "array" or like.kind != "array" or len(like.children) != len(job.children):
        raise BatchError(f"A dependency of type {item['type']} is for array jobs of the same size")
    before = job.children[:-1] if dependency is None else dependency.children
    after = job.children[1:] if dependency is None else job.children
    for first, second in zip(before, after, strict=True):
        _wait(second, first)


def _wait(job: Job, dependency: Job) -> None:
    if dependency.status == "FAILED":
        job.doomed = True
    elif not dependency.ended:
        job.unmet += 1
        dependency.dependents.append(job)


def cancel(state: State, engine: Engine, params: Json) -> Json:
    """Cancel a job that has not started; for any other the call succeeds without effect
    (https://docs.aws.amazon.com/batch/latest/APIReference/API_CancelJob.html)."""
    job = _job_to_end(state, params)
    if job is not None:
        engine.cancel(job, params["reason"])
    return {}


def terminate(state: State, engine: Engine, params: Json) -> Json:
    """End a job in any state (https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJob.html)."""
    job = _job_to_end(state, params)
    if job is not None:
        engine.terminate(job, params["reason"])
    return {}


def _job_to_end(state: State, params: Json) -> Job | None:
    """Return the job, or None if there is nothing to end."""
    job = state.jobs.get(params["jobId"])
    if job is not None and job.kind == "node":
        raise BatchError("A node of a multi-node parallel job cannot be ended alone: give the job's own id")
    if len(params["reason"]) > 1024:
        raise BatchError("reason takes at most 1024 characters")
    return None if job is None or job.ended else job
