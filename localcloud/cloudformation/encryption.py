"""Encryption of buckets, log groups and repositories, access logs of buckets, and errors about KMS keys, all missing
from ministack. Access logs are configured but not delivered."""

from __future__ import annotations

import json
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from ministack.core.responses import get_account_id, get_region
from ministack.services import kms, s3
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

from localcloud.json_types import Json

Created = tuple[str, Json]
ALGORITHM = "x-amz-server-side-encryption"
KEY = "x-amz-server-side-encryption-aws-kms-key-id"
CONTEXT = "kms:EncryptionContext:aws:logs:arn"
NEEDED = (
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:GenerateDataKey",
    "kms:DescribeKey",
)
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html"""


def _refuse(service: str, message: str) -> ValueError:
    return ValueError(f'Resource handler returned message: "{message} (Service: {service}, Status Code: 400)"')


# -------------------------------------------------------------------------------------------------------------- keys


def _usable(key: str) -> Json | None:
    record = kms._resolve_key(key)
    return record if record and record.get("KeyState", "Enabled") == "Enabled" else None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _admits_logs(statement: Json, group: str) -> set[str]:
    """Return the needed actions that a key policy statement allows CloudWatch Logs for a log group."""
    principal = statement.get("Principal", {})
    services = _listed(principal.get("Service", [])) if isinstance(principal, dict) else []
    if statement.get("Effect") != "Allow" or f"logs.{get_region()}.amazonaws.com" not in services:
        return set()
    for operator, keys in statement.get("Condition", {}).items():
        if operator not in {"ArnLike", "ArnEquals", "StringLike", "StringEquals"} or set(keys) != {CONTEXT}:
            raise _refuse("CloudWatchLogs", f"The local cloud does not model the condition {operator} {sorted(keys)}")
        if not any(fnmatchcase(group, pattern) for pattern in _listed(keys[CONTEXT])):
            return set()
    actions = _listed(statement["Action"])
    return {name for name in NEEDED if any(fnmatchcase(name, pattern) for pattern in actions)}


def _check_key_of_group(key: str, name: str) -> None:
    group = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{name}"
    record = _usable(key)
    policy = json.loads(record["Policy"]) if record else {"Statement": []}
    allowed = set[str]().union(*(_admits_logs(item, group) for item in _listed(policy["Statement"])))
    if allowed != set(NEEDED):
        raise _refuse(
            "CloudWatchLogs",
            f"The specified KMS key does not exist or is not allowed to be used with Arn '{group}'",
        )


# ----------------------------------------------------------------------------------------------------------- buckets


def _encryption(configuration: Json) -> bytes:
    root = Element("ServerSideEncryptionConfiguration", xmlns=s3.S3_NS)
    for item in configuration["ServerSideEncryptionConfiguration"]:
        rule = SubElement(root, "Rule")
        default = SubElement(rule, "ApplyServerSideEncryptionByDefault")
        for name, value in item["ServerSideEncryptionByDefault"].items():
            SubElement(default, name).text = value
        SubElement(rule, "BucketKeyEnabled").text = str(item.get("BucketKeyEnabled", False)).lower()
    return tostring(root)


def _logging(configuration: Json) -> bytes:
    root = Element("BucketLoggingStatus", xmlns=s3.S3_NS)
    enabled = SubElement(root, "LoggingEnabled")
    SubElement(enabled, "TargetBucket").text = configuration["DestinationBucketName"]
    SubElement(enabled, "TargetPrefix").text = configuration.get("LogFilePrefix", "")
    return tostring(root)


def _configure_bucket(name: str, properties: Json) -> None:
    logging = properties.get("LoggingConfiguration")
    if logging and logging.get("DestinationBucketName") not in s3._buckets:
        raise _refuse("S3", "The target bucket for logging does not exist")
    encryption = properties.get("BucketEncryption")
    if encryption:
        status, _, body = s3._put_bucket_encryption(name, _encryption(encryption))
        if status >= 400:
            raise _refuse("S3", body.decode())
    else:
        s3._delete_bucket_encryption(name)
    empty = tostring(Element("BucketLoggingStatus", xmlns=s3.S3_NS))
    s3._put_bucket_logging(name, _logging(logging) if logging else empty)


def install() -> None:
    """Make S3 encrypt with the AWS managed key if no key is given, and refuse unusable keys
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#aws-managed-customer-managed-keys).
    """
    original = s3._resolve_sse_write_headers

    def resolve(headers: Json, bucket: str) -> Any:
        if headers.get(ALGORITHM) == "aws:kms" and not headers.get(KEY):
            headers = {**headers, KEY: _own_key()}
        stored, error = original(headers, bucket)
        if stored and stored.get(ALGORITHM) == "aws:kms":
            key = stored.setdefault(KEY, _own_key())
            if key != _own_key() and not _usable(key):
                return None, s3._error("KMS.NotFoundException", f"Key '{key}' does not exist or is not enabled", 400)
        return stored, error

    s3._resolve_sse_write_headers = resolve


def _own_key() -> str:
    return f"arn:aws:kms:{get_region()}:{get_account_id()}:alias/aws/s3"


# ---------------------------------------------------------------------------------------------------------- handlers


def _after(kind: str, verb: str, then: Callable[[str, Json], None]) -> Callable[..., Created]:
    """Return ministack's handler followed by a step; a new resource is deleted again if the step refuses it."""
    inner, delete = _RESOURCE_HANDLERS[kind][verb], _RESOURCE_HANDLERS[kind]["delete"]

    def handler(*arguments: Any, **more: Any) -> Created:
        physical, attributes = inner(*arguments, **more)
        properties = arguments[1 if verb == "create" else 2]
        try:
            then(physical, properties)
        except ValueError:
            if verb == "create":
                delete(physical, properties)
            raise
        return physical, attributes

    return handler


def _check_group(name: str, properties: Json) -> None:
    if properties.get("KmsKeyId"):
        _check_key_of_group(properties["KmsKeyId"], name)


def _check_repository(_name: str, properties: Json) -> None:
    """https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_EncryptionConfiguration.html"""
    key = properties.get("EncryptionConfiguration", {}).get("KmsKey")
    if key and not _usable(key):
        raise _refuse("Ecr", f"The KMS key '{key}' does not exist or is not enabled")


def handlers() -> dict[str, dict[str, Any]]:
    """Return the handlers by resource type."""
    steps = {
        "AWS::S3::Bucket": _configure_bucket,
        "AWS::Logs::LogGroup": _check_group,
        "AWS::ECR::Repository": _check_repository,
    }
    return {
        kind: _RESOURCE_HANDLERS[kind] | {verb: _after(kind, verb, step) for verb in ("create", "update")}
        for kind, step in steps.items()
    }
