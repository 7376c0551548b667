"""Jobs start only where an instance reaches ECS, ECR, CloudWatch Logs and S3."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from tests.localcloud.cloudformation.test_cloudformation import Stack, att, ref, stack  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow

NEEDED = ("ecs", "ecs-agent", "ecs-telemetry", "ecr.api", "ecr.dkr", "logs")
_blocks = itertools.count(50)


class Site:
    """A VPC with one subnet, and a queue on it."""

    def __init__(self, world: Any) -> None:
        self.world, self.block = world, f"10.{next(_blocks)}"
        self.vpc = world.ec2.create_vpc(CidrBlock=f"{self.block}.0.0/16")["Vpc"]["VpcId"]
        name = world.unique("group")
        self.group = world.ec2.create_security_group(GroupName=name, Description="g", VpcId=self.vpc)["GroupId"]

    def subnet(self, **route: str) -> str:
        return self.world.subnet(self.vpc, f"{self.block}.1.0/24", **route)

    def queue(self, subnet: str) -> str:
        return self.world.queue(subnets=[subnet], securityGroupIds=[self.group])

    def starts(self, queue: str) -> bool:
        """Return whether a job of the queue starts before a job submitted later elsewhere has ended."""
        job = self.world.submit("true", queue=queue)
        self.world.run("true")
        return self._started(job)

    def starts_nodes(self, queue: str) -> bool:
        job = self.world.submit_nodes(2, "true", queue=queue)
        self.world.run("true")
        return self._started(job)

    def _started(self, job: str) -> bool:
        detail = self.world.describe(job)
        if detail["status"] == "RUNNABLE":
            assert "statusReason" not in detail
            self.world.batch.cancel_job(jobId=job, reason="seen")
            return False
        return self.world.result(job)["status"] == "SUCCEEDED"


@pytest.fixture
def site(world: Any) -> Site:
    return Site(world)


def test_without_any_way_jobs_stay_runnable_and_nothing_tells_why(site: Site) -> None:
    assert not site.starts(site.queue(site.subnet()))


def test_a_nat_gateway_leads_out(site: Site) -> None:
    nat = site.world.nat_gateway(site.vpc, f"{site.block}.2.0/24")
    queue = site.queue(site.subnet(NatGatewayId=nat))
    assert site.starts(queue)
    assert site.starts_nodes(queue)


def test_an_internet_gateway_leads_out_only_those_with_a_public_address(site: Site) -> None:
    subnet = site.subnet(GatewayId=site.world.internet_gateway(site.vpc))
    queue = site.queue(subnet)
    assert not site.starts(queue)
    site.world.ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    assert site.starts(queue)
    assert not site.starts_nodes(queue)


def isolated(services: tuple[str, ...], rule: dict[str, Any], s3: bool = True, dns: bool = True) -> dict[str, Any]:
    """Return an isolated VPC with these endpoints, whose group has this rule."""

    def endpoint(service: str, **more: Any) -> dict[str, Any]:
        common = {"VpcId": ref("Vpc"), "ServiceName": f"com.amazonaws.us-east-1.{service}"}
        return {"Type": "AWS::EC2::VPCEndpoint", "Properties": common | more}

    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443} | rule
    interface = {
        "VpcEndpointType": "Interface",
        "PrivateDnsEnabled": dns,
        "SubnetIds": [ref("Subnet")],
        "SecurityGroupIds": [att("Endpoints", "GroupId")],
    }
    group = {"GroupDescription": "g", "VpcId": ref("Vpc")}
    association = {"SubnetId": ref("Subnet"), "RouteTableId": ref("Table")}
    resources = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.3.0.0/16", "EnableDnsHostnames": True}},
        "Subnet": {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": ref("Vpc"), "CidrBlock": "10.3.1.0/24"}},
        "Table": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": ref("Vpc")}},
        "Association": {"Type": "AWS::EC2::SubnetRouteTableAssociation", "Properties": association},
        "Instances": {"Type": "AWS::EC2::SecurityGroup", "Properties": group},
        "Endpoints": {"Type": "AWS::EC2::SecurityGroup", "Properties": group | {"SecurityGroupIngress": [https]}},
    }
    for service in services:
        resources[service.replace("-", "").replace(".", "")] = endpoint(service, **interface)
    if s3:
        resources["s3"] = endpoint("s3", VpcEndpointType="Gateway", RouteTableIds=[ref("Table")])
    return resources


FROM_VPC = {"CidrIp": "10.3.0.0/16"}


@pytest.mark.parametrize(
    ("resources", "single", "multi_node"),
    [
        pytest.param(isolated(NEEDED, FROM_VPC), True, True, id="all of them"),
        *(
            pytest.param(
                isolated(tuple(item for item in NEEDED if item != left_out), FROM_VPC),
                False,
                False,
                id=f"no {left_out}",
            )
            for left_out in NEEDED
        ),
        pytest.param(isolated(NEEDED, FROM_VPC, s3=False), False, False, id="no s3"),
        pytest.param(isolated(NEEDED, FROM_VPC, dns=False), False, False, id="no private DNS"),
        pytest.param(isolated(NEEDED, {"CidrIp": "10.4.0.0/16"}), False, False, id="from elsewhere"),
        pytest.param(isolated(NEEDED, FROM_VPC | {"FromPort": 80, "ToPort": 80}), False, False, id="another port"),
        pytest.param(
            isolated(NEEDED, {"SourceSecurityGroupId": att("Instances", "GroupId")}), True, False, id="from a group"
        ),
    ],
)
def test_endpoints_lead_out_if_all_are_there_and_admit_the_subnet(
    site: Site,
    stack: Stack,  # noqa: F811
    resources: dict[str, Any],
    single: bool,
    multi_node: bool,
) -> None:
    outputs = {"Subnet": ref("Subnet"), "Group": att("Instances", "GroupId")}
    assert stack.apply("create", resources, outputs) == "CREATE_COMPLETE", json.dumps(stack.reasons())
    made = stack.outputs()
    queue = site.world.queue(subnets=[made["Subnet"]], securityGroupIds=[made["Group"]])
    assert site.starts(queue) == single
    assert site.starts_nodes(queue) == multi_node
