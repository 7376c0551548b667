"""The API of AWS Batch: routes, validation, operations
(https://docs.aws.amazon.com/batch/latest/APIReference/API_Operations.html)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from ministack.core.responses import get_account_id, get_region

from localcloud.batch import api_model, api_views, compute_environments, definitions, jobs
from localcloud.batch.engine import Engine
from localcloud.batch.errors import BatchError, NotModelledError
from localcloud.batch.model import Scope, State
from localcloud.json_types import Json

MAX_SUBMIT_BYTES = 30 * 1024
"""https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html"""

Response = tuple[int, dict[str, str], bytes]


Operation = Callable[[State, Engine, Json], Json]


def _on_state(operation: Callable[[State, Json], Json]) -> Operation:
    """Adapt an operation that does not need the engine."""
    return lambda state, _engine, params: operation(state, params)


class BatchService:
    """The service for all accounts and Regions. CloudFormation calls the same operations as clients."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.states: dict[Scope, State] = {}

    async def handle_request(
        self, method: str, path: str, _headers: Json, body: bytes, query: dict[str, list[str]]
    ) -> Response:
        try:
            name, params = self._parse(method, path, body, query)
            return _respond(200, self.call(name, params))
        except BatchError as error:
            return _respond(error.status, {"message": str(error)}, error.code)

    @staticmethod
    def _parse(method: str, path: str, body: bytes, query: dict[str, list[str]]) -> tuple[str, Json]:
        name = operation_name(method, path)
        if name is None:
            raise NotModelledError(f"{method} {path}")
        if name == "SubmitJob" and len(body) > MAX_SUBMIT_BYTES:
            raise BatchError(f"The request is {len(body)} bytes; SubmitJob takes at most {MAX_SUBMIT_BYTES}")
        try:
            params = json.loads(body) if body else {}
        except ValueError:
            raise BatchError("The request body is not JSON") from None
        if path.startswith("/v1/tags/"):
            params["resourceArn"] = unquote(path.removeprefix("/v1/tags/"))
        if name == "UntagResource":
            params["tagKeys"] = query.get("tagKeys", [])
        return name, params

    def call(self, name: str, params: Json) -> Json:
        """Run an operation for the account and Region of the request.

        Raises:
            BatchError: the service refuses it.
        """
        if name not in OPERATIONS:
            raise NotModelledError(f"the operation {name}")
        api_model.validate(name, params)
        scope = Scope(get_account_id(), get_region())
        if scope not in self.states:
            self.states[scope] = State(scope)
            self._engine.watch(self.states[scope])
        answer = OPERATIONS[name](self.states[scope], self._engine, params)
        if not name.startswith(("Describe", "List")):
            self._engine.wake()
        return answer


def _tag(state: State, params: Json) -> Json:
    tags = _tags(state, params["resourceArn"])
    tags |= params["tags"]
    return {}


def _untag(state: State, params: Json) -> Json:
    tags = _tags(state, params["resourceArn"])
    for key in params["tagKeys"]:
        tags.pop(key, None)
    return {}


def operation_name(method: str, path: str) -> str | None:
    """Return the operation of a request, or None if the API has no such route."""
    route = "/v1/tags/" if path.startswith("/v1/tags/") else path.rstrip("/")
    operation = api_model.operations_by_route().get((method, route))
    return None if operation is None else operation.name


def _tags(state: State, arn: str) -> Json:
    """Return the mutable tags of a resource."""
    kind, _, name = arn.removeprefix(state.scope.arn("")).partition("/")
    base, _, revision = name.partition(":")
    holders: dict[str, Any] = {
        "compute-environment": lambda: state.compute_environments[name].detail["tags"],
        "job-queue": lambda: state.queues[name].detail["tags"],
        "job-definition": lambda: state.definitions[base][int(revision) - 1]["tags"],
        "job": lambda: state.jobs[name].request.tags,
        "scheduling-policy": lambda: state.policies[arn]["tags"],
    }
    try:
        return holders[kind]()
    except (KeyError, ValueError, IndexError):
        raise BatchError(f"Resource {arn} not found") from None


def _selected(found: list[Json], wanted: list[str] | None, prefix: str) -> list[Json]:
    if not wanted:
        return found
    return [item for item in found if {item[f"{prefix}Name"], item[f"{prefix}Arn"]} & set(wanted)]


def _page(key: str, found: list[Json], params: Json) -> Json:
    """Return one page; the token is the position of the next one."""
    token = params.get("nextToken", "0")
    if not token.isdecimal():
        raise BatchError(f"nextToken {token!r} is invalid")
    start = int(token)
    end = start + min(params.get("maxResults", 100), 100)
    rest = {"nextToken": str(end)} if end < len(found) else {}
    return {key: found[start:end]} | rest


def _respond(status: int, body: Json, error: str | None = None) -> Response:
    headers = {"Content-Type": "application/json"}
    if error is not None:
        headers["x-amzn-errortype"] = error
    return status, headers, json.dumps(body).encode()


def _update_environment(state: State, engine: Engine, params: Json) -> Json:
    reference = params["computeEnvironment"]
    before = compute_environments.infrastructure(state, reference)
    answer = compute_environments.update_environment(state, params)
    if compute_environments.infrastructure(state, reference) != before:
        engine.replace_instances(compute_environments.find_environment(state, reference))
    return answer


def _delete_queue(state: State, engine: Engine, params: Json) -> Json:
    for job in compute_environments.remove_queue(state, params).jobs:
        engine.terminate(job, "Job queue deleted")
    return {}


def _describe_environments(state: State, params: Json) -> Json:
    found = [item.detail for item in state.compute_environments.values()]
    wanted = params.get("computeEnvironments")
    return _page("computeEnvironments", _selected(found, wanted, "computeEnvironment"), params)


def _describe_queues(state: State, params: Json) -> Json:
    found = [item.detail for item in state.queues.values()]
    return _page("jobQueues", _selected(found, params.get("jobQueues"), "jobQueue"), params)


def _describe_policies(state: State, params: Json) -> Json:
    return {"schedulingPolicies": [state.policies[arn] for arn in params["arns"] if arn in state.policies]}


def _describe_definitions(state: State, params: Json) -> Json:
    return _page("jobDefinitions", definitions.describe(state, params), params)


OPERATIONS: dict[str, Operation] = {
    "CreateComputeEnvironment": _on_state(compute_environments.create_environment),
    "UpdateComputeEnvironment": _update_environment,
    "DeleteComputeEnvironment": _on_state(compute_environments.delete_environment),
    "DescribeComputeEnvironments": _on_state(_describe_environments),
    "CreateJobQueue": _on_state(compute_environments.create_queue),
    "UpdateJobQueue": _on_state(compute_environments.update_queue),
    "DeleteJobQueue": _delete_queue,
    "DescribeJobQueues": _on_state(_describe_queues),
    "CreateSchedulingPolicy": _on_state(compute_environments.create_policy),
    "UpdateSchedulingPolicy": _on_state(compute_environments.update_policy),
    "DeleteSchedulingPolicy": _on_state(compute_environments.delete_policy),
    "DescribeSchedulingPolicies": _on_state(_describe_policies),
    "RegisterJobDefinition": _on_state(definitions.register),
    "DeregisterJobDefinition": _on_state(definitions.deregister),
    "DescribeJobDefinitions": _on_state(_describe_definitions),
    "SubmitJob": jobs.submit,
    "CancelJob": jobs.cancel,
    "TerminateJob": jobs.terminate,
    "DescribeJobs": _on_state(api_views.describe_jobs),
    "ListJobs": lambda state, engine, params: api_views.list_jobs(state, params, engine.settings.list_lag_s),
    "TagResource": _on_state(_tag),
    "UntagResource": _on_state(_untag),
    "ListTagsForResource": _on_state(lambda state, params: {"tags": _tags(state, params["resourceArn"])}),
}
