"""The exceptions that botocore raises."""

from __future__ import annotations

from botocore.exceptions import ClientError

_STATUS = {
    "NoSuchKey": 404,
    "404": 404,
    "AccessDenied": 403,
    "PreconditionFailed": 412,
    "ConditionalRequestConflict": 409,
    "TooManyRequestsException": 429,
    "ServerException": 500,
    "InternalError": 500,
    "ResourceNotFoundException": 400,
}


def refused(code: str, operation: str) -> ClientError:
    """Return the exception for an answer with an error code."""
    answer = {
        "Error": {"Code": code, "Message": "as the service says it"},
        "ResponseMetadata": {"HTTPStatusCode": _STATUS.get(code, 400)},
    }
    return ClientError(answer, operation)  # type: ignore[arg-type]
