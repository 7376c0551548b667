"""Job definitions."""

from __future__ import annotations

import json

from localcloud.batch import job_refusals as rules
from localcloud.batch.errors import BatchError, NotModelledError
from localcloud.batch.model import State
from localcloud.json_types import Json

MAX_BYTES = 24 * 1024
"""https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html"""


def register(state: State, params: Json) -> Json:
    name = params["jobDefinitionName"]
    rules.check_name("jobDefinitionName", name)
    if len(json.dumps(params)) > MAX_BYTES:
        raise BatchError(f"The job definition is larger than {MAX_BYTES} bytes")
    if params.get("platformCapabilities", ["EC2"]) != ["EC2"]:
        raise NotModelledError(f"platformCapabilities {params['platformCapabilities']}")
    rules.check_definition(state.scope, params)
    revisions = state.definitions.setdefault(name, [])
    revision = len(revisions) + 1
    arn = state.scope.arn(f"job-definition/{name}:{revision}")
    revisions.append(
        params | {
            "jobDefinitionArn": arn, "revision": revision, "status": "ACTIVE", "containerOrchestrationType": "ECS",
            "propagateTags": params.get("propagateTags", False), "tags": params.get("tags", {}),
            "parameters": params.get("parameters", {}),
        }
    )  # fmt: skip
    return {"jobDefinitionName": name, "jobDefinitionArn": arn, "revision": revision}


def find(state: State, reference: str) -> Json:
    """Find a definition by ARN, `name:revision`, or `name` for the latest active revision."""
    text = reference
    if reference.startswith("arn:"):
        text = reference.removeprefix(state.scope.arn("job-definition/"))
    name, _, revision = text.partition(":")
    candidates = [
        item for item in state.definitions.get(name, [])
        if item["status"] == "ACTIVE" and revision in {"", str(item["revision"])}
    ]  # fmt: skip
    if not candidates:
        raise BatchError(f"JobDefinition {reference} not found, or not ACTIVE")
    return candidates[-1]


def deregister(state: State, params: Json) -> Json:
    if ":" not in params["jobDefinition"]:
        raise BatchError(f"jobDefinition {params['jobDefinition']!r} must be name:revision or an ARN")
    find(state, params["jobDefinition"])["status"] = "INACTIVE"
    return {}


def describe(state: State, params: Json) -> list[Json]:
    if "jobDefinitions" in params:
        wanted = set(params["jobDefinitions"])
        found = [
            item for revisions in state.definitions.values() for item in revisions
            if {item["jobDefinitionArn"], f"{item['jobDefinitionName']}:{item['revision']}"} & wanted
        ]  # fmt: skip
    elif "jobDefinitionName" in params:
        found = list(state.definitions.get(params["jobDefinitionName"], []))
    else:
        found = [item for revisions in state.definitions.values() for item in revisions]
    found.reverse()
    return [item for item in found if params.get("status") in {None, item["status"]}]
