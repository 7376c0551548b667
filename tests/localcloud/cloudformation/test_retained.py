"""Names that CloudFormation generates, and resources that it retains."""

from __future__ import annotations

from typing import Any

import pytest

from tests.localcloud.cloudformation.test_cloudformation import Stack, ref

pytestmark = pytest.mark.slow

STORES = {
    "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {}},
    "Images": {"Type": "AWS::ECR::Repository", "Properties": {}},
    "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 7}},
}
NAMES = {name: ref(name) for name in STORES}


def retained(policy: str) -> dict[str, Any]:
    return {name: item | {"DeletionPolicy": policy} for name, item in STORES.items()}


def test_a_stack_made_again_does_not_meet_what_its_forerunner_left(world: Any, wait: Any) -> None:
    stack = Stack(world, wait)
    stack.apply("create", retained("RetainExceptOnCreate"), NAMES)
    first = stack.outputs()
    world.logs.create_log_stream(logGroupName=first["Logs"], logStreamName="kept")
    stack.delete()

    assert stack.apply("create", retained("RetainExceptOnCreate"), NAMES) == "CREATE_COMPLETE"
    second = stack.outputs()
    assert not set(first.values()) & set(second.values())
    assert second["Logs"].startswith(f"{stack.name}-Logs-")
    streams = world.logs.describe_log_streams(logGroupName=first["Logs"])["logStreams"]
    assert [item["logStreamName"] for item in streams] == ["kept"]
    stack.delete()


def test_a_generated_name_stays_through_updates(world: Any, wait: Any) -> None:
    stack = Stack(world, wait)
    stack.apply("create", STORES, NAMES)
    before = stack.outputs()
    changed = STORES | {"Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 14}}}
    assert stack.apply("update", changed, NAMES) == "UPDATE_COMPLETE"
    assert stack.outputs() == before
    (group,) = world.logs.describe_log_groups(logGroupNamePrefix=before["Logs"])["logGroups"]
    assert group["retentionInDays"] == 14
    stack.delete()
    assert world.logs.describe_log_groups(logGroupNamePrefix=before["Logs"])["logGroups"] == []


@pytest.mark.parametrize(
    ("kind", "properties"),
    [("AWS::Logs::LogGroup", {"LogGroupName": "/fixed"}), ("AWS::ECR::Repository", {"RepositoryName": "fixed"})],
)
def test_a_name_that_is_taken_is_refused(world: Any, wait: Any, kind: str, properties: dict[str, Any]) -> None:
    first, second = Stack(world, wait), Stack(world, wait)
    resources = {"Store": {"Type": kind, "Properties": properties}}
    assert first.apply("create", resources) == "CREATE_COMPLETE"
    assert second.apply("create", resources) == "ROLLBACK_COMPLETE"
    assert any(f"Resource of type '{kind}' with identifier" in reason for reason in second.reasons())
    first.delete()


@pytest.mark.parametrize("versioning", ["Enabled", "Suspended"])
def test_a_bucket_with_objects_is_not_deleted(world: Any, wait: Any, versioning: str) -> None:
    stack, s3 = Stack(world, wait), world.client("s3")
    properties = {"VersioningConfiguration": {"Status": versioning}}
    stack.apply("create", {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}, {"Name": ref("Bucket")})
    bucket = stack.outputs()["Name"]
    s3.put_object(Bucket=bucket, Key="result", Body=b"weeks of work")
    world.client("cloudformation").delete_stack(StackName=stack.name)
    assert stack.status() == "DELETE_FAILED"
    assert any("The bucket you tried to delete is not empty" in reason for reason in stack.reasons())
    assert s3.get_object(Bucket=bucket, Key="result")["Body"].read() == b"weeks of work"

    for item in s3.list_object_versions(Bucket=bucket)["Versions"]:
        s3.delete_object(Bucket=bucket, Key="result", VersionId=item["VersionId"])
    stack.delete()
    assert bucket not in [item["Name"] for item in s3.list_buckets()["Buckets"]]


def test_a_repository_with_images_is_deleted_only_where_the_template_says_so(world: Any, wait: Any) -> None:
    from localcloud.services.ecr import push

    stack = Stack(world, wait)

    def resources(empty: bool) -> dict[str, Any]:
        return {"Images": {"Type": "AWS::ECR::Repository", "Properties": {"EmptyOnDelete": empty}}}

    uri = {"Uri": {"Fn::GetAtt": ["Images", "RepositoryUri"]}}
    stack.apply("create", resources(False), uri)
    push(world.cloud.url, stack.outputs()["Uri"], "v1", ["/usr/bin/env"])
    world.client("cloudformation").delete_stack(StackName=stack.name)
    assert stack.status() == "DELETE_FAILED"
    assert any("is not empty" in reason or "still contains images" in reason for reason in stack.reasons())
    world.client("ecr").batch_delete_image(
        repositoryName=stack.outputs()["Uri"].partition("/")[2], imageIds=[{"imageTag": "v1"}]
    )
    stack.delete()
