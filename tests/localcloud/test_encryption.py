"""Keys: what buckets, log groups and repositories do with them, and what the services refuse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.localcloud.test_cloudformation import Stack, att, ref, stack  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow

ROOT = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "kms:*", "Resource": "*"}


def for_logs(group: str = "*", **changes: Any) -> dict[str, Any]:
    context = {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:us-east-1:000000000000:log-group:{group}"}
    return {
        "Effect": "Allow",
        "Principal": {"Service": "logs.us-east-1.amazonaws.com"},
        "Action": ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
        "Resource": "*",
        "Condition": {"ArnLike": context},
        **changes,
    }


def key(*statements: dict[str, Any]) -> dict[str, Any]:
    policy = {"Version": "2012-10-17", "Statement": [ROOT, *statements]}
    return {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": policy}}


def group(**changes: Any) -> dict[str, Any]:
    return {"Type": "AWS::Logs::LogGroup", "Properties": {"KmsKeyId": att("Key", "Arn"), **changes}}


def bucket(**changes: Any) -> dict[str, Any]:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": att("Key", "Arn")}
    rule = {"ServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
    encryption = {"ServerSideEncryptionConfiguration": [rule]}
    return {"Type": "AWS::S3::Bucket", "Properties": {"BucketEncryption": encryption, **changes}}


def test_objects_take_the_key_of_their_bucket(stack: Stack, world: Any) -> None:  # noqa: F811
    assert stack.apply({"Key": key(), "Bucket": bucket()}) == "CREATE_COMPLETE"
    name = stack.physical("Bucket")
    s3 = world.client("s3")
    s3.put_object(Bucket=name, Key="a", Body=b"x")
    head = s3.head_object(Bucket=name, Key="a")
    assert head["ServerSideEncryption"] == "aws:kms"
    assert head["SSEKMSKeyId"].endswith(stack.physical("Key"))
    s3.delete_object(Bucket=name, Key="a")
