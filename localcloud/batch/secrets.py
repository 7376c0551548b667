"""Secrets of a container, read from Secrets Manager or Parameter Store when it starts
(https://docs.aws.amazon.com/batch/latest/userguide/specifying-sensitive-data.html)."""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import secretsmanager, ssm

from localcloud.batch.model import Scope
from localcloud.json_types import Json


def secret_values(scope: Scope, secrets: list[Json]) -> dict[str, str]:
    """Return the values by variable.

    Raises:
        LookupError: a secret does not exist.
    """
    with request_scope(scope.account, scope.region):
        return {item["name"]: _value(item["valueFrom"]) for item in secrets}


def _value(source: str) -> str:
    if ":secretsmanager:" not in source:
        name = source.partition(":parameter")[2] or source
        answer = _answer(ssm._get_parameter({"Name": name, "WithDecryption": True}), source)
        return str(answer["Parameter"]["Value"])
    parts = source.split(":")
    key, stage, version = (*parts[7:], "", "", "")[:3]
    wanted = {"SecretId": ":".join(parts[:7])}
    wanted |= {"VersionStage": stage} if stage else {}
    wanted |= {"VersionId": version} if version else {}
    text = str(_answer(secretsmanager._get_secret_value(wanted), source)["SecretString"])
    if not key:
        return text
    try:
        return str(json.loads(text)[key])
    except (ValueError, KeyError, TypeError):
        raise LookupError(f"retrieved secret from Secrets Manager did not contain json key {key}") from None


def _answer(response: Any, source: str) -> Json:
    status, _, body = response
    if status >= 400:
        raise LookupError(f"{json.loads(body).get('__type')}: {source}")
    return json.loads(body)
