"""Network resources through CloudFormation, and errors of EC2 about them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.localcloud.cloudformation.test_cloudformation import Stack, att, ref, stack  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow


def vpc(cidr: str = "10.2.0.0/16", dns: bool = True) -> dict[str, Any]:
    def subnet(number: int, zone: str) -> dict[str, Any]:
        place = {"CidrBlock": f"10.2.{number}.0/24", "AvailabilityZone": zone}
        return {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": ref("Vpc"), **place}}

    return {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": cidr, "EnableDnsHostnames": dns}},
        "One": subnet(1, "us-east-1a"),
        "Two": subnet(2, "us-east-1b"),
        "Same": subnet(3, "us-east-1a"),
        "Table": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": ref("Vpc")}},
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "g", "VpcId": ref("Vpc")},
        },
    }


def endpoint(service: str = "ecs", **changes: Any) -> dict[str, Any]:
    properties = {
        "VpcId": ref("Vpc"),
        "ServiceName": f"com.amazonaws.us-east-1.{service}",
        "VpcEndpointType": "Interface",
        "PrivateDnsEnabled": True,
        "SubnetIds": [ref("One"), ref("Two")],
        "SecurityGroupIds": [att("Group", "GroupId")],
    }
    kept = {key: value for key, value in (properties | changes).items() if value is not None}
    return {"Type": "AWS::EC2::VPCEndpoint", "Properties": kept}


def gateway(service: str = "s3") -> dict[str, Any]:
    return endpoint(
        service, VpcEndpointType="Gateway", RouteTableIds=[ref("Table")], SubnetIds=None, SecurityGroupIds=None,
        PrivateDnsEnabled=None,
    )  # fmt: skip


def flow_log(**changes: Any) -> dict[str, Any]:
    properties = {
        "ResourceId": ref("Vpc"),
        "ResourceType": "VPC",
        "TrafficType": "ALL",
        "LogDestinationType": "cloud-watch-logs",
        "LogGroupName": "/flow",
        "DeliverLogsPermissionArn": att("Role", "Arn"),
    }
    kept = {key: value for key, value in (properties | changes).items() if value is not None}
    return {"Type": "AWS::EC2::FlowLog", "Properties": kept}


def role() -> dict[str, Any]:
    trust = {"Principal": {"Service": "vpc-flow-logs.amazonaws.com"}, "Effect": "Allow", "Action": "sts:AssumeRole"}
    document = {"Version": "2012-10-17", "Statement": [trust]}
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document}}


def test_endpoints_and_flow_logs_are_made_and_go(world: Any, stack: Stack) -> None:  # noqa: F811
    outputs = {"Vpc": ref("Vpc"), "Log": ref("Log")}
    resources = vpc() | {"Ecs": endpoint(), "S3": gateway(), "Role": role(), "Log": flow_log()}
    assert stack.apply("create", resources, outputs) == "CREATE_COMPLETE"
    made = stack.outputs()

    def services() -> list[str]:
        found = world.ec2.describe_vpc_endpoints()["VpcEndpoints"]
        return sorted(item["ServiceName"] for item in found if item["VpcId"] == made["Vpc"])

    def logs() -> list[str]:
        return [item["ResourceId"] for item in world.ec2.describe_flow_logs(FlowLogIds=[made["Log"]])["FlowLogs"]]

    assert services() == ["com.amazonaws.us-east-1.ecs", "com.amazonaws.us-east-1.s3"]
    assert logs() == [made["Vpc"]]
    stack.delete()
    assert services() == logs() == []


def test_another_service_is_another_endpoint(world: Any, stack: Stack) -> None:  # noqa: F811
    outputs = {"Endpoint": ref("Endpoint")}
    stack.apply("create", vpc() | {"Endpoint": endpoint()}, outputs)
    before = stack.outputs()["Endpoint"]
    assert stack.apply("update", vpc() | {"Endpoint": endpoint("logs")}, outputs) == "UPDATE_COMPLETE"
    assert stack.outputs()["Endpoint"] != before
    left = [item["VpcEndpointId"] for item in world.ec2.describe_vpc_endpoints()["VpcEndpoints"]]
    assert before not in left
    stack.delete()


def test_a_region_has_room_for_twenty_gateway_endpoints(world: Any, stack: Stack) -> None:  # noqa: F811
    def endpoint() -> str:
        made = world.ec2.create_vpc_endpoint(
            VpcId=world.network["vpc"], ServiceName="com.amazonaws.us-east-1.s3", VpcEndpointType="Gateway"
        )
        return made["VpcEndpoint"]["VpcEndpointId"]

    others = [endpoint() for _ in range(20)]
    try:
        assert stack.apply("create", vpc() | {"E": gateway()}) == "ROLLBACK_COMPLETE"
        assert any("maximum number of VPC endpoints" in reason for reason in stack.reasons())
    finally:
        world.ec2.delete_vpc_endpoints(VpcEndpointIds=others)


NO_VPC = "vpc-0123456789abcdef0"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"E": endpoint("no-such")}, "us-east-1.no-such' does not exist", id="unknown service"),
        pytest.param(
            {"E": endpoint("ecs-agent", PolicyDocument={"Statement": []})},
            "does not support endpoint policies",
            id="policy",
        ),
        pytest.param(
            {"E": endpoint(SubnetIds=[ref("One"), ref("Same")])}, "in the availability zone of", id="same zone"
        ),
        pytest.param({"E": endpoint(SecurityGroupIds=["sg-0123"])}, "group ID 'sg-0123' does not exist", id="no group"),
        pytest.param({"E": endpoint(VpcId=NO_VPC)}, f"vpc ID '{NO_VPC}' does not exist", id="no VPC"),
        pytest.param(
            {"E": endpoint(), "F": endpoint() | {"DependsOn": "E"}},
            "already a conflicting DNS domain",
            id="the same twice",
        ),
        pytest.param(
            vpc(dns=False) | {"E": endpoint()}, "requires both enableDnsSupport and enableDnsHostnames", id="no DNS"
        ),
        pytest.param(
            {"E": gateway(), "F": gateway() | {"DependsOn": "E"}}, "already has a route with destination", id="S3 twice"
        ),
        pytest.param(
            {"L": flow_log(DeliverLogsPermissionArn=None)}, "can't be empty if LogDestinationType", id="no role"
        ),
        pytest.param({"L": flow_log(ResourceId=NO_VPC), "Role": role()}, f"vpc ID '{NO_VPC}' does not exist", id="log"),
        pytest.param(
            {"G": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "g", "VpcId": NO_VPC}}},
            f"vpc ID '{NO_VPC}' does not exist",
            id="a group in no VPC",
        ),
    ],
)
def test_what_ec2_refuses_rolls_the_stack_back_with_its_words(
    world: Any,
    stack: Stack,  # noqa: F811
    changes: dict[str, Any],
    message: str,
) -> None:
    assert stack.apply("create", vpc() | changes) == "ROLLBACK_COMPLETE"
    assert any(message in reason for reason in stack.reasons()), stack.reasons()
    assert "10.2.0.0/16" not in [item["CidrBlock"] for item in world.ec2.describe_vpcs()["Vpcs"]]
