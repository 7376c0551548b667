"""Environments whose instances stand elsewhere than in a VPC with a NAT gateway: deployed, used, and taken down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from localcloud.session import LocalCloud
from tests.end_to_end.support import NewDeployment, answer_of_a_job, client, deploy, stacks

pytestmark = pytest.mark.slow


def test_the_isolated_environment_runs_a_job_without_a_way_to_the_internet(
    tmp_path: Path, new_deployment: NewDeployment
) -> None:
    with LocalCloud(tmp_path / "cloud") as cloud:
        deployment = new_deployment(cloud, "isolated", tmp_path)
        deploy(deployment)
        ec2 = client(cloud, "ec2")
        (vpc,) = [item["VpcId"] for item in ec2.describe_vpcs()["Vpcs"] if item["CidrBlock"] == "10.30.0.0/16"]
        assert ec2.describe_nat_gateways()["NatGateways"] == []
        attached = [item["Attachments"] for item in ec2.describe_internet_gateways()["InternetGateways"]]
        assert vpc not in [attachment["VpcId"] for attachments in attached for attachment in attachments]
        (log,) = ec2.describe_flow_logs()["FlowLogs"]
        assert log["ResourceId"] == vpc

        assert answer_of_a_job(deployment) == "42\n"

        deployment.cdk("destroy", "--all", "--force")
        assert stacks(cloud) == ["CDKToolkit"]
        assert ec2.describe_vpc_endpoints()["VpcEndpoints"] == []
        assert vpc not in [item["VpcId"] for item in ec2.describe_vpcs()["Vpcs"]]
        buckets = [item["Name"] for item in client(cloud, "s3").list_buckets()["Buckets"]]
        assert len([name for name in buckets if not name.startswith("cdk-")]) == 2, (
            "data and access logs outlive the stacks"
        )


EXISTING = """
removal: destroy
network:
  vpc_id: {vpc}
  subnet_ids: [{subnets}]
  efa_subnet_id: {efa}
"""


def test_an_environment_in_an_existing_vpc_runs_a_job_and_leaves_the_vpc_as_it_was(
    tmp_path: Path, new_deployment: NewDeployment
) -> None:
    with LocalCloud(tmp_path / "cloud") as cloud:
        ec2 = client(cloud, "ec2")
        vpc, subnets = make_vpc(ec2)
        before = {"groups": groups_in(ec2, vpc), "endpoints": len(ec2.describe_vpc_endpoints()["VpcEndpoints"])}
        (tmp_path / "environments").mkdir()
        text = EXISTING.format(vpc=vpc, subnets=", ".join(subnets), efa=subnets[1])
        (tmp_path / "environments" / "corporate.yaml").write_text(text)
        deployment = new_deployment(cloud, "corporate", tmp_path, tmp_path / "environments")
        deploy(deployment)
        batch = client(cloud, "batch").describe_compute_environments()["computeEnvironments"]
        used = {item["computeResources"]["tags"]["Name"]: item["computeResources"]["subnets"] for item in batch}
        assert used["hpc-corporate-efa"] == [subnets[1]]
        assert sorted(used["hpc-corporate-spot"]) == sorted(subnets)
        assert len(groups_in(ec2, vpc)) == len(before["groups"]) + 2

        assert answer_of_a_job(deployment) == "42\n"

        deployment.destroy_all()
        assert stacks(cloud) == ["CDKToolkit"]
        after = {"groups": groups_in(ec2, vpc), "endpoints": len(ec2.describe_vpc_endpoints()["VpcEndpoints"])}
        assert after == before
        assert vpc in [item["VpcId"] for item in ec2.describe_vpcs()["Vpcs"]]


def make_vpc(ec2: Any) -> tuple[str, list[str]]:
    """Make what docs/existing-vpc.md asks of the owner, with a NAT gateway; return the VPC and its private subnets."""
    vpc = ec2.create_vpc(CidrBlock="10.40.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)

    def subnet(number: int, zone: str, target: dict[str, str]) -> str:
        block = f"10.40.{number}.0/24"
        made = ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.associate_route_table(RouteTableId=table, SubnetId=made)
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)
        return made

    public = subnet(0, "us-east-1a", {"GatewayId": gateway})
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=public, AllocationId=address)["NatGateway"]["NatGatewayId"]
    return vpc, [subnet(1, "us-east-1a", {"NatGatewayId": nat}), subnet(2, "us-east-1b", {"NatGatewayId": nat})]


def groups_in(ec2: Any, vpc: str) -> set[str]:
    found = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    return {item["GroupId"] for item in found}
