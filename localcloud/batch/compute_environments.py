"""Compute environments, job queues and scheduling policies."""

from __future__ import annotations

import uuid

from localcloud.batch import environment_refusals as rules
from localcloud.batch import scheduling
from localcloud.batch.errors import BatchError, NotModelledError
from localcloud.batch.model import ComputeEnvironment, Queue, State
from localcloud.json_types import Json

SCALING_ONLY = {"minvCpus", "maxvCpus", "desiredvCpus"}


def name_of(reference: str, kind: str) -> str:
    """Return the name from a name or an ARN `...:<kind>/<name>`."""
    return reference.rpartition(f":{kind}/")[2] if reference.startswith("arn:") else reference


def find_environment(state: State, reference: str) -> ComputeEnvironment:
    found = state.compute_environments.get(name_of(reference, "compute-environment"))
    if found is None or (reference.startswith("arn:") and found.detail["computeEnvironmentArn"] != reference):
        raise BatchError(f"{reference} does not exist")
    return found


def find_queue(state: State, reference: str) -> Queue:
    found = state.queues.get(name_of(reference, "job-queue"))
    if found is None or (reference.startswith("arn:") and found.detail["jobQueueArn"] != reference):
        raise BatchError(f"Job Queue {reference} not found")
    return found


def create_environment(state: State, params: Json) -> Json:
    name = params["computeEnvironmentName"]
    rules.check_name("computeEnvironmentName", name)
    if name in state.compute_environments:
        raise BatchError(f"Object already exists: {name}")
    rules.check_count("compute environments", len(state.compute_environments))
    rules.check_new_environment(state.scope, params)
    arn = state.scope.arn(f"compute-environment/{name}")
    suffix = uuid.uuid4()
    resources = {"minvCpus": 0} | params["computeResources"]
    state.compute_environments[name] = ComputeEnvironment(
        {
            "computeEnvironmentName": name,
            "computeEnvironmentArn": arn,
            "ecsClusterArn": state.scope.arn(f"cluster/AWSBatch-{name}-{suffix}", "ecs"),
            "type": params["type"],
            "state": params.get("state", "ENABLED"),
            "status": "VALID",
            "statusReason": "ComputeEnvironment Healthy",
            "computeResources": {"desiredvCpus": resources["minvCpus"]} | resources,
            "serviceRole": params.get("serviceRole") or rules.service_linked_role(state.scope),
            "updatePolicy": {"terminateJobsOnUpdate": False, "jobExecutionTimeoutMinutes": 30},
            "containerOrchestrationType": "ECS",
            "uuid": str(suffix),
            "tags": params.get("tags", {}),
        }
    )
    return {"computeEnvironmentName": name, "computeEnvironmentArn": arn}


def update_environment(state: State, params: Json) -> Json:
    """Change a compute environment in place
    (https://docs.aws.amazon.com/batch/latest/userguide/updating-compute-environments.html)."""
    detail = find_environment(state, params["computeEnvironment"]).detail
    changes = dict(params.get("computeResources", {}))
    changes.pop("updateToLatestImageVersion", None)
    resources = detail["computeResources"] | changes
    moved = {key for key, value in changes.items() if detail["computeResources"].get(key) != value}
    role = params.get("serviceRole", detail["serviceRole"])
    if moved - SCALING_ONLY:
        rules.check_infrastructure_update(state.scope, detail, resources)
    if role != detail["serviceRole"]:
        raise NotModelledError("a change of a compute environment's serviceRole")
    if resources["maxvCpus"] < resources["minvCpus"]:
        raise BatchError("maxvCpus must not be smaller than minvCpus")
    detail["computeResources"] = resources
    detail["state"] = params.get("state", detail["state"])
    detail["updatePolicy"] |= params.get("updatePolicy", {})
    return {key: detail[key] for key in ("computeEnvironmentName", "computeEnvironmentArn")}


def infrastructure(state: State, reference: str) -> Json:
    """Return the properties of a compute environment whose change replaces its instances."""
    resources = find_environment(state, reference).detail["computeResources"]
    return {key: value for key, value in resources.items() if key not in SCALING_ONLY | {"scalingPolicy"}}


def delete_environment(state: State, params: Json) -> Json:
    detail = find_environment(state, params["computeEnvironment"]).detail
    if detail["state"] != "DISABLED":
        raise BatchError("Cannot delete, state must be DISABLED")
    arn = detail["computeEnvironmentArn"]
    if any(arn in _environment_arns(queue.detail) for queue in state.queues.values()):
        raise BatchError("Cannot delete, found existing JobQueue relationship")
    del state.compute_environments[detail["computeEnvironmentName"]]
    return {}


def _environment_arns(queue: Json) -> list[str]:
    return [entry["computeEnvironment"] for entry in queue["computeEnvironmentOrder"]]


def create_queue(state: State, params: Json) -> Json:
    name = params["jobQueueName"]
    rules.check_name("jobQueueName", name)
    if name in state.queues:
        raise BatchError(f"Object already exists: {name}")
    rules.check_count("job queues", len(state.queues))
    if params.get("jobQueueType", "ECS") != "ECS":
        raise NotModelledError(f"jobQueueType {params['jobQueueType']}")
    if "schedulingPolicyArn" in params:
        _find_policy(state, params["schedulingPolicyArn"])
    arn = state.scope.arn(f"job-queue/{name}")
    detail = {
        "jobQueueName": name,
        "jobQueueArn": arn,
        "state": params.get("state", "ENABLED"),
        "status": "VALID",
        "statusReason": "JobQueue Healthy",
        "priority": rules.check_priority(params["priority"]),
        "computeEnvironmentOrder": _order(state, params.get("computeEnvironmentOrder", [])),
        "jobStateTimeLimitActions": scheduling.check_time_limits(params.get("jobStateTimeLimitActions", [])),
        "tags": params.get("tags", {}),
    }
    if "schedulingPolicyArn" in params:
        detail["schedulingPolicyArn"] = params["schedulingPolicyArn"]
    state.queues[name] = Queue(detail)
    return {"jobQueueName": name, "jobQueueArn": arn}


def _order(state: State, entries: list[Json]) -> list[Json]:
    """Return the compute environments by ARN and in order, as DescribeJobQueues does."""
    entries = sorted(entries, key=lambda entry: entry["order"])
    found = [find_environment(state, entry["computeEnvironment"]).detail for entry in entries]
    rules.check_environment_order(entries, found)
    return [
        {"order": entry["order"], "computeEnvironment": detail["computeEnvironmentArn"]}
        for entry, detail in zip(entries, found, strict=True)
    ]


def update_queue(state: State, params: Json) -> Json:
    detail = find_queue(state, params["jobQueue"]).detail
    if "schedulingPolicyArn" in params:
        if "schedulingPolicyArn" not in detail:
            raise BatchError("A scheduling policy cannot be added to a job queue that was created without one")
        detail["schedulingPolicyArn"] = _find_policy(state, params["schedulingPolicyArn"])["arn"]
    if "computeEnvironmentOrder" in params:
        detail["computeEnvironmentOrder"] = _order(state, params["computeEnvironmentOrder"])
    if "jobStateTimeLimitActions" in params:
        detail["jobStateTimeLimitActions"] = scheduling.check_time_limits(params["jobStateTimeLimitActions"])
    detail["priority"] = rules.check_priority(params.get("priority", detail["priority"]))
    detail["state"] = params.get("state", detail["state"])
    return {key: detail[key] for key in ("jobQueueName", "jobQueueArn")}


def remove_queue(state: State, params: Json) -> Queue:
    """Remove a queue from the state; the caller ends its jobs."""
    queue = find_queue(state, params["jobQueue"])
    if queue.detail["state"] != "DISABLED":
        raise BatchError("Cannot delete, state must be DISABLED")
    return state.queues.pop(queue.detail["jobQueueName"])


def create_policy(state: State, params: Json) -> Json:
    name = params["name"]
    rules.check_name("name", name)
    fair_share = params.get("fairsharePolicy", {})
    scheduling.check_fair_share(fair_share)
    arn = state.scope.arn(f"scheduling-policy/{name}")
    if arn in state.policies:
        raise BatchError(f"Object already exists: {name}")
    state.policies[arn] = {
        "name": name, "arn": arn, "fairsharePolicy": fair_share, "tags": params.get("tags", {}),
    }  # fmt: skip
    return {"name": name, "arn": arn}


def update_policy(state: State, params: Json) -> Json:
    policy = _find_policy(state, params["arn"])
    fair_share = params.get("fairsharePolicy", {})
    scheduling.check_fair_share(fair_share)
    policy["fairsharePolicy"] = fair_share
    return {}


def _find_policy(state: State, arn: str) -> Json:
    if arn not in state.policies:
        raise BatchError(f"Scheduling policy {arn} not found")
    return state.policies[arn]


def delete_policy(state: State, params: Json) -> Json:
    policy = _find_policy(state, params["arn"])
    if any(queue.detail.get("schedulingPolicyArn") == policy["arn"] for queue in state.queues.values()):
        raise BatchError("Cannot delete, found existing JobQueue relationship")
    del state.policies[policy["arn"]]
    return {}
