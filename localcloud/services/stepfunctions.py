"""The AWS Batch integration that ministack's Step Functions lacks: `batch:submitJob` with and without `.sync`
(https://docs.aws.amazon.com/step-functions/latest/dg/connect-batch.html).

Not modelled: the permissions of the state machine's role; a stopped execution leaves its job running.
"""

from __future__ import annotations

import json
import time
from functools import cache
from typing import Any

from botocore.model import ServiceModel
from botocore.session import Session
from ministack import app
from ministack.core.responses import get_account_id, get_region
from ministack.services import stepfunctions

from localcloud.json_types import Json

RESOURCE = "arn:aws:states:::batch:submitJob"
POLL_S = 0.1
ENDED = {"SUCCEEDED", "FAILED"}


def install() -> None:
    """Register the integration with ministack."""
    stepfunctions._SERVICE_DISPATCH[RESOURCE] = _submit_job


def _submit_job(resource: str, given: Json) -> Json:
    """Submit a job; with `.sync` wait for its end and return its description, or fail with it."""
    if resource not in {RESOURCE, f"{RESOURCE}.sync"}:
        raise stepfunctions._ExecutionError("States.Runtime", f"{resource} is not modelled")
    request = _to_api(given, _input("SubmitJob"))
    submitted = _call("/v1/submitjob", request)
    if resource == RESOURCE:
        return _from_api(submitted, _output("SubmitJob"))
    while True:
        (job,) = _call("/v1/describejobs", {"jobs": [submitted["jobId"]]})["jobs"]
        if job["status"] in ENDED:
            break
        time.sleep(POLL_S)
    detail = _from_api({"jobs": [job]}, _output("DescribeJobs"))["Jobs"][0]
    if job["status"] == "FAILED":
        raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(detail))
    return detail


def _call(path: str, body: Json) -> Json:
    """Call our AWS Batch like a client, on the server's event loop; executions run in threads."""
    text = json.dumps(body).encode()
    scope = f"Credential={get_account_id()}/20260101/{get_region()}/batch/aws4_request"
    headers = {"authorization": f"AWS4-HMAC-SHA256 {scope}"}
    handler = app.SERVICE_HANDLERS["batch"]
    status, answer_headers, answer = app.call_service_handler_sync(handler, "POST", path, headers, text, {})
    decoded = json.loads(answer)
    if status >= 400:
        error = answer_headers.get("x-amzn-errortype", "AWSBatchException")
        raise stepfunctions._ExecutionError(
            f"Batch.{error}", f"{decoded['message']} (Service: Batch, Status Code: {status})"
        )
    return decoded


def _to_api(value: Any, shape: Any) -> Any:
    """Translate the PascalCase arguments of a state to the API's names; keys of maps, such as tags, stay unchanged."""
    if shape.type_name == "structure":
        members = {_pascal(name): name for name in shape.members}
        if unknown := sorted(value.keys() - members.keys()):
            raise stepfunctions._ExecutionError(
                "States.Runtime", f"The field {unknown[0]!r} is not supported by Step Functions"
            )
        return {members[key]: _to_api(item, shape.members[members[key]]) for key, item in value.items()}
    return [_to_api(item, shape.member) for item in value] if shape.type_name == "list" else value


def _from_api(value: Any, shape: Any) -> Any:
    """Translate an answer of the API to the names of Step Functions."""
    if shape.type_name == "structure":
        return {_pascal(key): _from_api(item, shape.members[key]) for key, item in value.items()}
    return [_from_api(item, shape.member) for item in value] if shape.type_name == "list" else value


def _pascal(name: str) -> str:
    return name[0].upper() + name[1:]


@cache
def _model() -> ServiceModel:
    return Session().get_service_model("batch")


def _input(operation: str) -> Any:
    return _model().operation_model(operation).input_shape


def _output(operation: str) -> Any:
    return _model().operation_model(operation).output_shape
