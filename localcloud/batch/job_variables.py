"""The container's environment: variables, command line, task metadata.

Variables: https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html and
https://docs.aws.amazon.com/batch/latest/userguide/mnp-env-vars.html.
"""

from __future__ import annotations

from ministack.services import ecs_metadata

from localcloud.batch.containers import requirements
from localcloud.batch.logs import DEFAULT_GROUP
from localcloud.batch.model import Attempt, Job, Scope
from localcloud.json_types import Json
from localcloud.settings import Settings


def metadata_uri(settings: Settings, attempt: Attempt) -> str:
    """Return the container's metadata endpoint. It is unique, so it also marks the container's processes."""
    return f"{settings.url}/v4/{attempt.task_id}"


def command_line(container: Json, config: Json) -> list[str]:
    """Return entrypoint and command, combined as by an OCI runtime."""
    return [*(config.get("Entrypoint") or []), *(container["command"] or config.get("Cmd") or [])]


def variables(settings: Settings, member: Job, parent: Job | None, attempt: Attempt) -> dict[str, str]:
    """Return the variables that the service sets."""
    first = member if parent is None else parent.children[parent.main_node]
    return {
        **credentials(member.scope),
        "AWS_ENDPOINT_URL": settings.url,
        "ECS_CONTAINER_METADATA_URI_V4": metadata_uri(settings, attempt),
        "AWS_BATCH_JOB_ID": member.job_id,
        "AWS_BATCH_JOB_ATTEMPT": str(len(first.attempts)),
        "AWS_BATCH_JQ_NAME": member.queue.detail["jobQueueName"],
        "AWS_BATCH_CE_NAME": _environment(parent or member)["computeEnvironmentName"],
        **_array_variables(member),
        **_node_variables(member, parent),
    }


def credentials(scope: Scope) -> dict[str, str]:
    """Return keys that ministack maps to the account. It enforces no policies."""
    return {"AWS_ACCESS_KEY_ID": scope.account, "AWS_SECRET_ACCESS_KEY": "local-cloud"}


def _environment(job: Job) -> Json:
    assert job.compute_environment is not None, "a job that runs has been placed"  # noqa: S101
    return job.compute_environment.detail


def _array_variables(member: Job) -> dict[str, str]:
    if not member.is_array_child or member.parent is None:
        return {}
    return {
        "AWS_BATCH_JOB_ARRAY_INDEX": str(member.index),
        "AWS_BATCH_JOB_ARRAY_SIZE": str(len(member.parent.children)),
    }


def _node_variables(member: Job, parent: Job | None) -> dict[str, str]:
    if parent is None:
        return {}
    found = {
        "AWS_BATCH_JOB_NODE_INDEX": str(member.index),
        "AWS_BATCH_JOB_NUM_NODES": str(len(parent.children)),
        "AWS_BATCH_JOB_MAIN_NODE_INDEX": str(parent.main_node),
    }
    if member.index != parent.main_node:
        address = parent.children[parent.main_node].attempts[-1].address
        found["AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"] = str(address)
    return found


def register_metadata(member: Job, job: Job, attempt: Attempt) -> None:
    """Publish the task metadata
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-response.html)."""
    resources = requirements(member.container)
    limits = {"CPU": int(resources["VCPU"]) * 1024, "Memory": int(resources["MEMORY"])}
    cluster = _environment(job)["ecsClusterArn"]
    task_arn = member.scope.arn(f"task/{cluster.rpartition('/')[2]}/{attempt.task_id}", "ecs")
    network: Json = {"NetworkMode": "host"}
    if attempt.address is not None:
        network = {"NetworkMode": "awsvpc", "IPv4Addresses": [attempt.address]}
    options = member.container.get("logConfiguration", {}).get("options", {})
    task = {
        "Cluster": cluster, "TaskARN": task_arn, "Family": member.definition["jobDefinitionName"],
        "Revision": str(member.definition["revision"]), "DesiredStatus": "RUNNING", "KnownStatus": "RUNNING",
        "LaunchType": "EC2",
    }  # fmt: skip
    container = {
        "DockerId": attempt.task_id, "Name": "default", "DockerName": "default", "Type": "NORMAL",
        "Image": member.container["image"], "DesiredStatus": "RUNNING", "KnownStatus": "RUNNING",
        "Limits": limits, "LogDriver": "awslogs",
        "LogOptions": {"awslogs-group": options.get("awslogs-group", DEFAULT_GROUP),
                       "awslogs-region": member.scope.region},
        "Networks": [network],
    }  # fmt: skip
    ecs_metadata.register_container(attempt.task_id, task_arn, task, container)
