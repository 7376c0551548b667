"""Buckets, repositories and log groups: retained ones neither block the next stack nor get lost
(https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from ministack.services import cloudwatch_logs, ecr, s3
from ministack.services.cloudformation import provisioners, stacks
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS, _physical_name

from localcloud.json_types import Json

Created = tuple[str, Json]
GROUP, REPOSITORY, BUCKET = "AWS::Logs::LogGroup", "AWS::ECR::Repository", "AWS::S3::Bucket"

_ministacks = {kind: dict(_RESOURCE_HANDLERS[kind]) for kind in (GROUP, REPOSITORY, BUCKET)}


def _provision_under_a_new_name(*args: Any) -> tuple[Created, str]:
    """Generate names with random letters, as CloudFormation does. ministack derives them from the stack's name, so a
    recreated stack would collide with resources that its predecessor retained."""
    token = provisioners._NAME_SEED.set(secrets.token_hex(8))
    try:
        return provisioners._provision_resource(*args), provisioners._NAME_SEED.get()
    finally:
        provisioners._NAME_SEED.reset(token)


def _refuse_taken(kind: str, name: str, store: Any) -> None:
    if name in store:
        raise ValueError(
            f"Resource handler returned message: \"Resource of type '{kind}' with identifier '{name}' already "
            'exists." (HandlerErrorCode: AlreadyExists)'
        )


def _create_group(logical_id: str, properties: Json, stack: str) -> Created:
    name = properties.get("LogGroupName") or _physical_name(stack, logical_id)
    _refuse_taken(GROUP, name, cloudwatch_logs._log_groups)
    return _ministacks[GROUP]["create"](logical_id, properties | {"LogGroupName": name}, stack)


def _update_group(name: str, old: Json, new: Json, stack: str, logical_id: str) -> Created:
    if old.get("LogGroupName") != new.get("LogGroupName"):
        return _create_group(logical_id, new, stack)
    named = {"LogGroupName": name}
    return _ministacks[GROUP]["update"](name, old | named, new | named, stack, logical_id)


def _create_repository(logical_id: str, properties: Json, stack: str) -> Created:
    _refuse_taken(REPOSITORY, properties.get("RepositoryName", ""), ecr._repositories)
    return _ministacks[REPOSITORY]["create"](logical_id, properties, stack)


def _delete_bucket(name: str, properties: Json) -> None:
    if name in s3._buckets:
        status, _, body = s3._delete_bucket(name)
        if status >= 400:
            message = ElementTree.fromstring(body).findtext("Message")  # noqa: S314 - own answer
            raise ValueError(f"{message} (Service: S3, Status Code: {status})")
    _ministacks[BUCKET]["delete"](name, properties)


def install() -> None:
    """Give every created resource a new name."""
    stacks._provision_keeping_seed = _provision_under_a_new_name


def handlers() -> dict[str, dict[str, Callable[..., Any] | bool]]:
    """Return the handlers by resource type."""
    return {
        GROUP: _ministacks[GROUP] | {"create": _create_group, "update": _update_group},
        REPOSITORY: _ministacks[REPOSITORY] | {"create": _create_repository},
        BUCKET: _ministacks[BUCKET] | {"delete": _delete_bucket},
    }
