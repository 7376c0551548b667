"""The local cloud refuses what the service refuses, and what it does not model."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.slow


def request(world: Any, path: str, body: dict[str, Any]) -> tuple[int, str]:
    """Send a request that the SDK would not send."""
    scope = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/batch/aws4_request, SignedHeaders=host, Signature=0"
    message = urllib.request.Request(  # noqa: S310 - the local cloud
        world.cloud.url + path, json.dumps(body).encode(), {"Authorization": scope}, method="POST"
    )
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(message, timeout=10)  # noqa: S310
    return error.value.code, json.load(error.value)["message"]


def refused(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**params)
    assert error.value.response["Error"]["Code"] == "ClientException"
    return error.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"jobName": "a b"}, "jobName"),
        ({"jobName": "x" * 129}, "jobName"),
        ({"jobName": "-x"}, "jobName"),
        ({"jobQueue": "absent"}, "Job Queue absent not found"),
        ({"jobDefinition": "absent"}, "JobDefinition absent not found"),
        ({"jobDefinition": "task:99"}, "not found"),
        ({"arrayProperties": {"size": 1}}, "between 2 and 10,000"),
        ({"arrayProperties": {"size": 10001}}, "between 2 and 10,000"),
        ({"jobDefinition": "nodes", "arrayProperties": {"size": 2}}, "Multinode Array Job not supported."),
        ({"jobDefinition": "nodes", "containerOverrides": {"command": ["a"]}}, "mutually exclusive"),
        ({"nodeOverrides": {"numNodes": 2}}, "multi-node parallel jobs only"),
        ({"jobDefinition": "nodes", "nodeOverrides": {"numNodes": 1001}}, "between 1 and 1000"),
        ({"dependsOn": [{"jobId": "x"}] * 21}, "at most 20"),
        ({"dependsOn": [{"jobId": "x"}]}, "job x not found"),
        ({"dependsOn": [{"type": "SEQUENTIAL"}]}, "array jobs"),
        ({"timeout": {"attemptDurationSeconds": 59}}, "at least 60"),
        ({"retryStrategy": {"attempts": 11}}, "between 1 and 10"),
        ({"shareIdentifier": "a"}, "no scheduling policy"),
        ({"containerOverrides": {"environment": [{"name": "AWS_BATCH_X", "value": "1"}]}}, "AWS_BATCH"),
        ({"containerOverrides": {"command": [""]}}, "empty string"),
        ({"containerOverrides": {"command": ["x" * 31000]}}, "at most 30720"),
        ({"containerOverrides": {"resourceRequirements": [{"type": "VCPU", "value": "0"}]}}, "at least 1"),
        ({"containerOverrides": {"resourceRequirements": [{"type": "MEMORY", "value": "1GiB"}]}}, "MEMORY"),
        ({"containerOverrides": {"resourceRequirements": [{"type": "TPU", "value": "1"}]}}, "must be one of"),
    ],
)
def test_submit_job_refuses(world: Any, changes: dict[str, Any], message: str) -> None:
    params = {"jobName": "job", "jobQueue": "wide", "jobDefinition": "task"} | changes
    assert message in refused(world.batch.submit_job, **params)


def test_a_closed_node_range_refuses_another_number_of_nodes(world: Any) -> None:
    definition = world.define_nodes("", "true", targets="0:1")
    params = {"jobName": "job", "jobQueue": "wide", "jobDefinition": definition}
    assert "no upper bound" in refused(world.batch.submit_job, **params, nodeOverrides={"numNodes": 4})


def test_a_disabled_queue_takes_no_jobs(world: Any) -> None:
    queue = world.queue()
    world.batch.update_job_queue(jobQueue=queue, state="DISABLED")
    params = {"jobName": "job", "jobQueue": queue, "jobDefinition": "task"}
    assert "DISABLED" in refused(world.batch.submit_job, **params)


def test_a_fair_share_queue_needs_a_share(world: Any) -> None:
    policy = world.batch.create_scheduling_policy(name=world.unique("policy"), fairsharePolicy={})["arn"]
    order = [{"order": 1, "computeEnvironment": world.environment()}]
    queue = world.unique("queue")
    world.batch.create_job_queue(
        jobQueueName=queue, priority=1, computeEnvironmentOrder=order, schedulingPolicyArn=policy
    )
    params = {"jobName": "job", "jobQueue": queue, "jobDefinition": "task"}
    assert "shareIdentifier must be given" in refused(world.batch.submit_job, **params)
    assert world.run(queue=queue, shareIdentifier="a")["shareIdentifier"] == "a"


def test_a_queue_gets_no_policy_later(world: Any) -> None:
    policy = world.batch.create_scheduling_policy(name=world.unique("policy"), fairsharePolicy={})["arn"]
    message = refused(world.batch.update_job_queue, jobQueue=world.queue(), schedulingPolicyArn=policy)
    assert "cannot be added to a job queue" in message


RULE = {"onReason": "*", "action": "EXIT"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"jobDefinitionName": "a b"}, "jobDefinitionName"),
        ({"retryStrategy": {"attempts": 0}}, "between 1 and 10"),
        ({"retryStrategy": {"evaluateOnExit": [RULE]}}, "attempts must be given"),
        ({"retryStrategy": {"attempts": 2, "evaluateOnExit": [RULE] * 6}}, "at most 5"),
        ({"retryStrategy": {"attempts": 2, "evaluateOnExit": [RULE | {"onReason": "a-b"}]}}, "restricted characters"),
        ({"retryStrategy": {"attempts": 2, "evaluateOnExit": [RULE | {"onReason": "a*b"}]}}, "restricted characters"),
        ({"retryStrategy": {"attempts": 2, "evaluateOnExit": [{"action": "EXIT"}]}}, "at least one of"),
        ({"timeout": {"attemptDurationSeconds": 30}}, "at least 60"),
        ({"type": "multinode"}, "nodeProperties"),
        ({"tags": {"x" * 129: "y"}}, "at most 128"),
    ],
)
def test_register_job_definition_refuses(world: Any, changes: dict[str, Any], message: str) -> None:
    params = {"jobDefinitionName": "bad", "type": "container", "containerProperties": world.container()} | changes
    assert message in refused(world.batch.register_job_definition, **params)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": ""}, "image"),
        ({"resourceRequirements": [{"type": "VCPU", "value": "1"}]}, "must contain MEMORY"),
        ({"environment": [{"name": "AWS_BATCH_JOB_ID", "value": "x"}]}, "AWS_BATCH"),
        ({"command": ["x" * 25000]}, "larger than 24576"),
    ],
)
def test_a_container_is_refused(world: Any, changes: dict[str, Any], message: str) -> None:
    params = {"jobDefinitionName": "bad", "type": "container", "containerProperties": world.container(**changes)}
    assert message in refused(world.batch.register_job_definition, **params)


@pytest.mark.parametrize(
    ("targets", "message"), [(["1:"], "cover all nodes"), (["0:1", "2:2"], "does not fit"), (["a:"], "not a range")]
)
def test_node_ranges_must_fit(world: Any, targets: list[str], message: str) -> None:
    ranges = [{"targetNodes": target, "container": world.container()} for target in targets]
    nodes = {"numNodes": 2, "mainNode": 0, "nodeRangeProperties": ranges}
    params = {"jobDefinitionName": "bad", "type": "multinode", "nodeProperties": nodes}
    assert message in refused(world.batch.register_job_definition, **params)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"instanceTypes": ["t3.micro"]}, r"Instance type can only be one of \[.*c7i,.*optimal,.*\]"),
        ({"instanceTypes": ["mac2.metal"]}, "Instance type can only be one of"),
        ({"instanceTypes": ["c6i", "c6i.9large"]}, "Instance type can only be one of"),
        ({"instanceTypes": ["c99"]}, "Instance type can only be one of"),
        ({"instanceTypes": ["c6i", "c7g"]}, "arm-based instance type cannot be used with other instance types"),
        ({"instanceTypes": []}, "must not be empty"),
        ({"instanceRole": "arn:aws:iam::000000000000:role/instances"}, "not an instance profile"),
        ({"instanceRole": "absent"}, "does not exist"),
        ({"allocationStrategy": "SPOT_CAPACITY_OPTIMIZED"}, "not allowed"),
        ({"type": "SPOT", "allocationStrategy": "BEST_FIT_PROGRESSIVE_ORDERED"}, "not allowed"),
        ({"ec2Configuration": [{"imageType": "ECS_AL2"}]}, "not supported"),
        ({"minvCpus": 8}, "maxvCpus"),
        ({"securityGroupIds": []}, "At least one security group"),
        ({"securityGroupIds": ["sg-absent"]}, "does not exist"),
        ({"subnets": ["subnet-absent"]}, "does not exist"),
        ({"placementGroup": "absent"}, "does not exist"),
        ({"launchTemplate": {"launchTemplateId": "lt-absent"}}, "does not exist"),
    ],
)
def test_create_compute_environment_refuses(world: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        world.environment(**changes)


def test_security_groups_and_network_interfaces_exclude_each_other(world: Any) -> None:
    interface = {"DeviceIndex": 0, "Groups": world.network["securityGroupIds"]}
    template = world.ec2.create_launch_template(
        LaunchTemplateName=world.unique("template"), LaunchTemplateData={"NetworkInterfaces": [interface]}
    )["LaunchTemplate"]["LaunchTemplateId"]
    used = {"launchTemplateId": template, "version": "1"}
    with pytest.raises(ClientError, match="exclusively allowed"):
        world.environment(launchTemplate=used)
    resources = world.compute_resources(launchTemplate=used)
    del resources["securityGroupIds"]
    world.batch.create_compute_environment(
        computeEnvironmentName=world.unique("ce"), type="MANAGED", computeResources=resources
    )
    with pytest.raises(ClientError, match="no version 2"):
        world.environment(launchTemplate=used | {"version": "2"})


@pytest.mark.parametrize("through", ["environment", "launch template"])
def test_security_groups_belong_to_the_vpc_of_the_subnets(world: Any, through: str) -> None:
    elsewhere = world.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    group = world.ec2.create_security_group(GroupName=world.unique("g"), Description="g", VpcId=elsewhere)["GroupId"]
    resources = world.compute_resources(securityGroupIds=[group])
    if through == "launch template":
        del resources["securityGroupIds"]
        data = {"NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [group]}]}
        made = world.ec2.create_launch_template(LaunchTemplateName=world.unique("t"), LaunchTemplateData=data)
        resources["launchTemplate"] = {"launchTemplateId": made["LaunchTemplate"]["LaunchTemplateId"]}
    params = {"computeEnvironmentName": "bad", "type": "MANAGED", "computeResources": resources}
    assert "does not belong to the VPC of the subnets" in refused(world.batch.create_compute_environment, **params)


def test_an_interface_takes_five_security_groups(world: Any) -> None:
    def group() -> str:
        made = world.ec2.create_security_group(GroupName=world.unique("g"), Description="g", VpcId=world.network["vpc"])
        return made["GroupId"]

    groups = [group() for _ in range(6)]
    world.environment(securityGroupIds=groups[:5])
    with pytest.raises(ClientError, match="At most 5 security groups"):
        world.environment(securityGroupIds=groups)


def test_a_placement_group_takes_one_subnet(world: Any) -> None:
    world.ec2.create_placement_group(GroupName="near", Strategy="cluster")
    other = world.ec2.create_subnet(VpcId=world.network["vpc"], CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    with pytest.raises(ClientError, match="takes one subnet"):
        world.environment(placementGroup="near", subnets=[*world.network["subnets"], other])


def test_a_queue_takes_three_valid_environments_of_one_architecture(world: Any) -> None:
    def order(*environments: str) -> list[dict[str, Any]]:
        return [{"order": number, "computeEnvironment": item} for number, item in enumerate(environments)]

    def create(*environments: str) -> str:
        params = {"jobQueueName": "bad", "priority": 1, "computeEnvironmentOrder": order(*environments)}
        return refused(world.batch.create_job_queue, **params)

    usual, arm = world.environment(), world.environment(instanceTypes=["c7g"])
    assert "1 to 3" in create(usual, usual, usual, usual)
    assert "same architecture" in create(usual, arm)
    assert "absent does not exist" in create("absent")
    world.batch.update_compute_environment(computeEnvironment=usual, state="DISABLED")
    assert "must be VALID and ENABLED" in create(usual)


def test_an_environment_is_deleted_only_disabled_and_detached(world: Any) -> None:
    queue = world.queue()
    order = world.batch.describe_job_queues(jobQueues=[queue])["jobQueues"][0]["computeEnvironmentOrder"]
    name = order[0]["computeEnvironment"]
    delete = world.batch.delete_compute_environment
    assert "must be DISABLED" in refused(delete, computeEnvironment=name)
    world.batch.update_compute_environment(computeEnvironment=name, state="DISABLED")
    assert "found existing JobQueue relationship" in refused(delete, computeEnvironment=name)


@pytest.mark.parametrize("change", [{"instanceTypes": ["c6i"]}, {"allocationStrategy": "BEST_FIT_PROGRESSIVE"}])
def test_best_fit_allows_scaling_updates_only(world: Any, change: dict[str, Any]) -> None:
    name = world.environment(allocationStrategy="BEST_FIT")
    update = world.batch.update_compute_environment
    update(computeEnvironment=name, computeResources={"maxvCpus": 6})
    assert "Only scaling parameters" in refused(update, computeEnvironment=name, computeResources=change)


def test_best_fit_is_no_strategy_to_go_to(world: Any) -> None:
    update = world.batch.update_compute_environment
    change = {"allocationStrategy": "BEST_FIT"}
    message = refused(update, computeEnvironment=world.environment(), computeResources=change)
    assert "'BEST_FIT' at 'UpdateComputeEnvironment.computeResources.allocationStrategy' must be one of" in message


def test_a_service_role_of_ones_own_allows_scaling_updates_only(world: Any) -> None:
    name = world.unique("ce")
    world.batch.create_compute_environment(
        computeEnvironmentName=name,
        type="MANAGED",
        serviceRole="arn:aws:iam::000000000000:role/own",
        computeResources=world.compute_resources(),
    )
    update = world.batch.update_compute_environment
    update(computeEnvironment=name, computeResources={"maxvCpus": 6})
    message = refused(update, computeEnvironment=name, computeResources={"instanceTypes": ["c6i"]})
    assert "does not use AWSServiceRoleForBatch" in message


def test_describe_jobs_takes_a_hundred_ids_and_omits_unknown_ones(world: Any) -> None:
    assert world.batch.describe_jobs(jobs=["absent"] * 100)["jobs"] == []
    assert "at most 100" in refused(world.batch.describe_jobs, jobs=["absent"] * 101)


def test_unknown_members_and_operations_are_refused(world: Any) -> None:
    status, message = request(
        world, "/v1/submitjob", {"jobName": "a", "jobQueue": "wide", "jobDefinition": "task", "x": 1}
    )
    assert (status, '"x"' in message) == (400, True)
    status, message = request(world, "/v1/submitjob", {"jobName": "a"})
    assert (status, '"jobQueue"' in message) == (400, True)
    status, message = request(world, "/v1/getjobqueuesnapshot", {"jobQueue": "wide"})
    assert (status, "GetJobQueueSnapshot" in message) == (501, True)


def test_what_is_not_modelled_is_named(world: Any) -> None:
    container = world.container(repositoryCredentials={"credentialsParameter": "arn:x"})
    with pytest.raises(ClientError, match=r"does not model .*containerProperties\.repositoryCredentials"):
        world.batch.register_job_definition(jobDefinitionName="bad", type="container", containerProperties=container)
