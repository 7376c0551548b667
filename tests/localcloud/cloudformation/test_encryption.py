"""Keys of buckets, log groups and repositories, and errors about them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.cloudformation.test_cloudformation import Stack, att, ref, stack  # noqa: F401 - a fixture

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


def physical(world: Any, made: Stack, name: str) -> str:
    answer = world.client("cloudformation").describe_stack_resource(StackName=made.name, LogicalResourceId=name)
    return answer["StackResourceDetail"]["PhysicalResourceId"]


def test_objects_take_the_key_of_their_bucket_and_access_logs_their_place(stack: Stack, world: Any) -> None:  # noqa: F811
    logging = {"DestinationBucketName": ref("Log"), "LogFilePrefix": "data/"}
    resources = {"Key": key(), "Log": {"Type": "AWS::S3::Bucket"}, "Bucket": bucket(LoggingConfiguration=logging)}
    assert stack.apply("create", resources) == "CREATE_COMPLETE"
    name, s3 = physical(world, stack, "Bucket"), world.client("s3")
    s3.put_object(Bucket=name, Key="a", Body=b"x")
    head = s3.head_object(Bucket=name, Key="a")
    assert head["ServerSideEncryption"] == "aws:kms"
    assert head["SSEKMSKeyId"].endswith(physical(world, stack, "Key"))
    assert s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"][0]["BucketKeyEnabled"]
    assert s3.get_bucket_logging(Bucket=name)["LoggingEnabled"] == {
        "TargetBucket": physical(world, stack, "Log"),
        "TargetPrefix": "data/",
    }
    s3.delete_object(Bucket=name, Key="a")


def test_a_bucket_loses_encryption_and_logging_with_the_properties(stack: Stack, world: Any) -> None:  # noqa: F811
    log = {"Type": "AWS::S3::Bucket"}
    spoken = bucket(LoggingConfiguration={"DestinationBucketName": ref("Log")})
    assert stack.apply("create", {"Key": key(), "Log": log, "Bucket": spoken}) == "CREATE_COMPLETE"
    assert stack.apply("update", {"Key": key(), "Log": log, "Bucket": {"Type": "AWS::S3::Bucket"}}) == "UPDATE_COMPLETE"
    name, s3 = physical(world, stack, "Bucket"), world.client("s3")
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=name)
    (rule,) = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_nothing_is_written_with_a_key_that_goes_and_s3s_own_needs_no_name(stack: Stack, world: Any) -> None:  # noqa: F811
    assert stack.apply("create", {"Key": key(), "Bucket": bucket()}) == "CREATE_COMPLETE"
    name, s3 = physical(world, stack, "Bucket"), world.client("s3")
    s3.put_object(Bucket=name, Key="own", Body=b"x", ServerSideEncryption="aws:kms")
    assert s3.head_object(Bucket=name, Key="own")["SSEKMSKeyId"].endswith(":alias/aws/s3")
    world.client("kms").schedule_key_deletion(KeyId=physical(world, stack, "Key"), PendingWindowInDays=7)
    with pytest.raises(ClientError, match=r"KMS\.NotFoundException"):
        s3.put_object(Bucket=name, Key="a", Body=b"x")
    s3.delete_object(Bucket=name, Key="own")


def test_a_log_group_takes_a_key_whose_policy_admits_cloudwatch_logs(stack: Stack, world: Any) -> None:  # noqa: F811
    assert stack.apply("create", {"Key": key(for_logs()), "Group": group()}) == "CREATE_COMPLETE"
    name = physical(world, stack, "Group")
    (found,) = world.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert found["kmsKeyId"].endswith(physical(world, stack, "Key"))


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param([], id="the account alone"),
        pytest.param([for_logs(group="/other/*")], id="other groups"),
        pytest.param([for_logs(Principal={"Service": "logs.eu-west-1.amazonaws.com"})], id="another Region"),
        pytest.param([for_logs(Action=["kms:Decrypt", "kms:GenerateDataKey*"])], id="too few actions"),
    ],
)
def test_a_log_group_refuses_a_key_that_does_not_admit_it(stack: Stack, world: Any, statements: Any) -> None:  # noqa: F811
    assert stack.apply("create", {"Key": key(*statements), "Group": group()}) == "ROLLBACK_COMPLETE"
    assert any("is not allowed to be used with Arn" in reason for reason in stack.reasons())
    groups = world.logs.describe_log_groups(logGroupNamePrefix=f"/aws/cloudformation/{stack.name}")["logGroups"]
    assert groups == []


def test_a_repository_refuses_a_key_that_is_not_there(stack: Stack) -> None:  # noqa: F811
    missing = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000"
    encryption = {"EncryptionType": "KMS", "KmsKey": missing}
    repository = {"Type": "AWS::ECR::Repository", "Properties": {"EncryptionConfiguration": encryption}}
    assert stack.apply("create", {"Repository": repository}) == "ROLLBACK_COMPLETE"
    assert any("does not exist or is not enabled" in reason for reason in stack.reasons())


def test_access_logs_need_a_bucket_that_is_there(stack: Stack) -> None:  # noqa: F811
    nowhere = bucket(LoggingConfiguration={"DestinationBucketName": "nowhere-at-all"})
    assert stack.apply("create", {"Key": key(), "Bucket": nowhere}) == "ROLLBACK_COMPLETE"
    assert any("target bucket for logging does not exist" in reason for reason in stack.reasons())
