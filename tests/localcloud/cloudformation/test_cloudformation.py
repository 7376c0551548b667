"""The resource types that the local cloud adds to CloudFormation, through CloudFormation."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def att(name: str, attribute: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, attribute]}


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def network() -> dict[str, Any]:
    anywhere = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
    own = {"IpProtocol": "-1", "GroupId": att("Group", "GroupId")}
    return {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.1.0.0/16"}},
        "Subnet": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {"VpcId": ref("Vpc"), "CidrBlock": "10.1.0.0/24"},
        },
        "Address": {"Type": "AWS::EC2::EIP", "Properties": {"Domain": "vpc"}},
        "Nat": {
            "Type": "AWS::EC2::NatGateway",
            "Properties": {"SubnetId": ref("Subnet"), "AllocationId": att("Address", "AllocationId")},
        },
        "Table": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": ref("Vpc")}},
        "Association": {
            "Type": "AWS::EC2::SubnetRouteTableAssociation",
            "Properties": {"SubnetId": ref("Subnet"), "RouteTableId": ref("Table")},
        },
        "Way": {
            "Type": "AWS::EC2::Route",
            "Properties": {
                "RouteTableId": ref("Table"),
                "DestinationCidrBlock": "0.0.0.0/0",
                "NatGatewayId": ref("Nat"),
            },
        },
        "Near": {"Type": "AWS::EC2::PlacementGroup", "Properties": {"Strategy": "cluster"}},
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "g", "VpcId": ref("Vpc"), "SecurityGroupEgress": [anywhere]},
        },
        "In": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": own | {"SourceSecurityGroupId": att("Group", "GroupId")},
        },
        "Out": {
            "Type": "AWS::EC2::SecurityGroupEgress",
            "Properties": own | {"DestinationSecurityGroupId": att("Group", "GroupId")},
        },
    }


def batch(world: Any, command: str = "one", user_data: str = "one", **resources: Any) -> dict[str, Any]:
    interface = {"DeviceIndex": 0, "Groups": [att("Group", "GroupId")]}
    return {
        "Template": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {"LaunchTemplateData": {"NetworkInterfaces": [interface], "UserData": user_data}},
        },
        "Environment": {
            "Type": "AWS::Batch::ComputeEnvironment",
            "Properties": {
                "Type": "managed",
                "ReplaceComputeEnvironment": False,
                "UpdatePolicy": {"TerminateJobsOnUpdate": "false", "JobExecutionTimeoutMinutes": 60},
                "ComputeResources": {
                    "Type": "EC2",
                    "AllocationStrategy": "BEST_FIT_PROGRESSIVE",
                    "MaxvCpus": "8",
                    "InstanceTypes": ["c5n.18xlarge"],
                    "InstanceRole": "instances",
                    "Subnets": [ref("Subnet")],
                    "PlacementGroup": ref("Near"),
                    "UpdateToLatestImageVersion": True,
                    "LaunchTemplate": {
                        "LaunchTemplateId": ref("Template"),
                        "Version": att("Template", "LatestVersionNumber"),
                    },
                }
                | resources,
            },
        },
        "Queue": {
            "Type": "AWS::Batch::JobQueue",
            "Properties": {
                "Priority": 1,
                "ComputeEnvironmentOrder": [{"Order": 1, "ComputeEnvironment": ref("Environment")}],
            },
        },
        "Definition": {
            "Type": "AWS::Batch::JobDefinition",
            "Properties": {
                "Type": "Container",
                "JobDefinitionName": "from-template",
                "ResourceRetentionPolicy": {"SkipDeregisterOnUpdate": True},
                "ContainerProperties": {
                    "Image": world.image,
                    "Command": ["echo", command],
                    "ResourceRequirements": [
                        {"Type": "VCPU", "Value": "1"},
                        {"Type": "MEMORY", "Value": "8"},
                    ],
                    "LogConfiguration": {"LogDriver": "awslogs", "Options": {"awslogs-group": "/jobs"}},
                },
            },
        },
    }


OUTPUTS = {
    "Cidr": att("Vpc", "CidrBlock"),
    "Group": att("Group", "GroupId"),
    "Environment": att("Environment", "ComputeEnvironmentArn"),
    "Queue": ref("Queue"),
    "Definition": ref("Definition"),
}


class Stack:
    def __init__(self, world: Any, wait: Any) -> None:
        self.name = world.unique("stack")
        self._client = world.client("cloudformation")
        self._wait = wait

    def apply(self, operation: str, resources: dict[str, Any], outputs: dict[str, Any] | None = None) -> str:
        """Create or update the stack; an output is a value or a whole template entry."""
        said = {key: item if "Value" in item else {"Value": item} for key, item in (outputs or {}).items()}
        template = {"Resources": resources, "Outputs": said}
        getattr(self._client, f"{operation}_stack")(StackName=self.name, TemplateBody=json.dumps(template))
        return self.status()

    def delete(self) -> None:
        self._client.delete_stack(StackName=self.name)
        self._wait(lambda: self.name not in [item["StackName"] for item in self._client.describe_stacks()["Stacks"]])

    def status(self) -> str:
        def ended() -> str | None:
            status = self._client.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"]
            return None if status.endswith("IN_PROGRESS") else status

        return self._wait(ended)

    def outputs(self) -> dict[str, str]:
        stack = self._client.describe_stacks(StackName=self.name)["Stacks"][0]
        return {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}

    def reasons(self) -> list[str]:
        events = self._client.describe_stack_events(StackName=self.name)["StackEvents"]
        return [event["ResourceStatusReason"] for event in events if event.get("ResourceStatusReason")]


@pytest.fixture
def stack(world: Any, wait: Any) -> Stack:
    return Stack(world, wait)


def test_a_stack_is_created_updated_in_place_and_deleted(world: Any, stack: Stack) -> None:
    assert stack.apply("create", network() | batch(world), OUTPUTS) == "CREATE_COMPLETE"
    first = stack.outputs()
    assert first["Cidr"] == "10.1.0.0/16"
    group = world.ec2.describe_security_groups(GroupIds=[first["Group"]])["SecurityGroups"][0]
    # The standalone rule has taken the place of the one that allowed all egress.
    for rules in (group["IpPermissions"], group["IpPermissionsEgress"]):
        assert [pair["GroupId"] for rule in rules for pair in rule["UserIdGroupPairs"]] == [first["Group"]]
        assert [rule["IpRanges"] for rule in rules] == [[]]
    job = world.run(queue=first["Queue"], definition=first["Definition"])
    assert world.lines(job) == ["one"]

    changed = network() | batch(world, command="two", user_data="two", MaxvCpus=16)
    assert stack.apply("update", changed, OUTPUTS) == "UPDATE_COMPLETE"
    second = stack.outputs()
    assert second["Environment"] == first["Environment"]
    arns = [item["Environment"] for item in (first, second)]
    detail = world.batch.describe_compute_environments(computeEnvironments=arns)["computeEnvironments"][0]
    assert detail["computeResources"]["maxvCpus"] == 16
    assert detail["computeResources"]["launchTemplate"]["version"] == "2"
    assert detail["updatePolicy"] == {"terminateJobsOnUpdate": False, "jobExecutionTimeoutMinutes": 60}
    assert second["Definition"].endswith(":job-definition/from-template:2")
    found = world.batch.describe_job_definitions(jobDefinitionName="from-template")["jobDefinitions"]
    assert [item["status"] for item in found] == ["ACTIVE", "ACTIVE"]

    stack.delete()
    assert world.batch.describe_job_queues(jobQueues=[first["Queue"]])["jobQueues"] == []
    assert world.batch.describe_compute_environments(computeEnvironments=arns)["computeEnvironments"] == []
    assert "10.1.0.0/16" not in [vpc["CidrBlock"] for vpc in world.ec2.describe_vpcs()["Vpcs"]]


def test_a_scheduling_policy_is_changed_in_place(world: Any, stack: Stack) -> None:
    def resources(weight: float) -> dict[str, Any]:
        shares = [{"ShareIdentifier": "a", "WeightFactor": weight}]
        properties = {"FairsharePolicy": {"ShareDistribution": shares}, "Tags": {"weight": str(weight)}}
        return {"Policy": {"Type": "AWS::Batch::SchedulingPolicy", "Properties": properties}}

    stack.apply("create", resources(1), {"Arn": att("Policy", "Arn")})
    before = stack.outputs()["Arn"]
    assert stack.apply("update", resources(0.5), {"Arn": att("Policy", "Arn")}) == "UPDATE_COMPLETE"
    assert stack.outputs()["Arn"] == before
    (policy,) = world.batch.describe_scheduling_policies(arns=[before])["schedulingPolicies"]
    assert policy["fairsharePolicy"]["shareDistribution"] == [{"shareIdentifier": "a", "weightFactor": 0.5}]
    assert policy["tags"] == {"weight": "0.5"}


def test_an_update_without_retention_deregisters_the_old_revision(world: Any, stack: Stack) -> None:
    definition = batch(world)["Definition"]
    del definition["Properties"]["ResourceRetentionPolicy"]
    del definition["Properties"]["JobDefinitionName"]
    stack.apply("create", {"Definition": definition}, {"Arn": ref("Definition")})
    name = stack.outputs()["Arn"].rpartition("/")[2].partition(":")[0]
    definition["Properties"]["ContainerProperties"]["Command"] = ["echo", "two"]
    assert stack.apply("update", {"Definition": definition}, {"Arn": ref("Definition")}) == "UPDATE_COMPLETE"
    found = world.batch.describe_job_definitions(jobDefinitionName=name)["jobDefinitions"]
    assert [(item["revision"], item["status"]) for item in found] == [(2, "ACTIVE"), (1, "INACTIVE")]


def test_a_replaced_environment_is_a_new_one_and_the_old_one_goes(world: Any, stack: Stack) -> None:
    resources = network() | batch(world)
    resources["Environment"]["Properties"]["ReplaceComputeEnvironment"] = True
    stack.apply("create", resources, OUTPUTS)
    before = stack.outputs()["Environment"]
    resources["Environment"]["Properties"]["ComputeResources"]["InstanceTypes"] = ["c6in.32xlarge"]
    assert stack.apply("update", resources, OUTPUTS) == "UPDATE_COMPLETE"
    after = stack.outputs()["Environment"]
    found = world.batch.describe_compute_environments(computeEnvironments=[before, after])["computeEnvironments"]
    assert [item["computeEnvironmentArn"] for item in found] == [after]
    stack.delete()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"InstanceTypes": ["t3.micro"]}, "Instance type can only be one of"),
        ({"SecurityGroupIds": [att("Group", "GroupId")]}, "exclusively allowed"),
        ({"Ec2Configuration": [{"ImageType": "ECS_AL2"}]}, "ECS_AL2 is not supported"),
        ({"Colour": "red"}, "extraneous key [Colour] is not permitted"),
    ],
)
def test_what_the_service_refuses_rolls_the_stack_back_with_its_words(
    world: Any, stack: Stack, changes: dict[str, Any], message: str
) -> None:
    assert stack.apply("create", network() | batch(world, **changes)) == "ROLLBACK_COMPLETE"
    assert any(message in reason for reason in stack.reasons())
    assert "10.1.0.0/16" not in [vpc["CidrBlock"] for vpc in world.ec2.describe_vpcs()["Vpcs"]]


def test_a_refused_update_leaves_the_old_revision_and_the_old_environment(world: Any, stack: Stack) -> None:
    stack.apply("create", network() | batch(world), OUTPUTS)
    bad = network() | batch(world, command="two", InstanceTypes=["t3.micro"])
    bad["Environment"]["DependsOn"] = "Definition"
    assert stack.apply("update", bad, OUTPUTS) == "UPDATE_ROLLBACK_COMPLETE"
    assert world.lines(world.run(queue=stack.outputs()["Queue"], definition=stack.outputs()["Definition"])) == ["one"]
    stack.delete()


@pytest.mark.parametrize("change", ["instance types", "tags"])
def test_a_named_environment_cannot_be_replaced(world: Any, stack: Stack, change: str) -> None:
    resources = network() | batch(world)
    properties = resources["Environment"]["Properties"]
    properties |= {"ComputeEnvironmentName": "fixed", "ReplaceComputeEnvironment": change == "instance types"}
    stack.apply("create", resources)
    if change == "instance types":
        properties["ComputeResources"]["InstanceTypes"] = ["c6in.32xlarge"]
    else:
        properties["Tags"] = {"team": "one"}
    assert stack.apply("update", resources) == "UPDATE_ROLLBACK_COMPLETE"
    assert any("custom-named resource requires replacing" in reason for reason in stack.reasons())
    stack.delete()
