"""Networks: edits that each trip one rule."""

from __future__ import annotations

from typing import Any

from tests.constructs.rules.relations.cases import trips

CE = "AWS::Batch::ComputeEnvironment"
GROUP = "AWS::EC2::SecurityGroup"


def endpoint(edit: Any, service: str, source: dict[str, Any]) -> None:
    vpc = {"Ref": edit.name_of("AWS::EC2::VPC")}
    group = f"Group{len(edit.contents)}{service.replace('.', '').replace('-', '')}"
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **source}
    edit.add(group, GROUP, "AWS::EC2::VPC", GroupDescription="endpoint", VpcId=vpc, SecurityGroupIngress=[rule])
    edit.add(
        f"Endpoint{group}",
        "AWS::EC2::VPCEndpoint",
        "AWS::EC2::VPC",
        ServiceName={"Fn::Join": ["", ["com.amazonaws.", {"Ref": "AWS::Region"}, f".{service}"]]},
        SecurityGroupIds=[{"Fn::GetAtt": [group, "GroupId"]}],
        VpcEndpointType="Interface",
        VpcId=vpc,
    )


def vpc_block(edit: Any) -> dict[str, Any]:
    return {"CidrIp": {"Fn::GetAtt": [edit.name_of("AWS::EC2::VPC"), "CidrBlock"]}}


@trips("HPC030")
def no_route_out(edit: Any) -> None:
    edit.remove("AWS::EC2::Route", "PrivateSubnet2")


@trips("HPC031")
def route_to_the_internet_gateway(edit: Any) -> None:
    public = edit.properties("AWS::EC2::Route", "PublicSubnet1")
    route = edit.properties("AWS::EC2::Route", "PrivateSubnet1")
    del route["NatGatewayId"]
    route["GatewayId"] = public["GatewayId"]


@trips("HPC031")
def public_addresses(edit: Any) -> None:
    edit.properties("AWS::EC2::Subnet", "PrivateSubnet2")["MapPublicIpOnLaunch"] = True


@trips("HPC030")
def one_endpoint_short(edit: Any) -> None:
    edit.remove("AWS::EC2::Route", "PrivateSubnet2")
    for service in ("ecs", "ecs-agent", "ecr.api", "ecr.dkr", "logs"):
        endpoint(edit, service, vpc_block(edit))


@trips("HPC032")
def endpoint_for_one_group_only(edit: Any) -> None:
    group = {"Fn::GetAtt": [edit.name_of(GROUP, "Egress"), "GroupId"]}
    endpoint(edit, "ecs", {"SourceSecurityGroupId": group})


@trips("HPC032")
def endpoint_for_another_port(edit: Any) -> None:
    endpoint(edit, "ecs", {**vpc_block(edit), "FromPort": 80, "ToPort": 80})


@trips("HPC033")
def group_of_another_vpc(edit: Any) -> None:
    vpc = edit.add("Other", "AWS::EC2::VPC", CE, CidrBlock="10.99.0.0/16")
    group = edit.add("Foreign", GROUP, CE, GroupDescription="elsewhere", VpcId=vpc)
    edit.environment("spot")["SecurityGroupIds"].append(group)


@trips("HPC034")
def six_groups(edit: Any) -> None:
    edit.environment("spot")["SecurityGroupIds"] *= 6


@trips("HPC035")
def rare_type_in_any_zone(edit: Any) -> None:
    edit.environment("ondemand").update({"InstanceTypes": ["hpc7a.12xlarge"]})


def without_internet(edit: Any, script: str) -> None:
    edit.remove("AWS::EC2::Route", "PrivateSubnet2")
    for service in ("ecs", "ecs-agent", "ecs-telemetry", "ecr.api", "ecr.dkr", "logs"):
        endpoint(edit, service, vpc_block(edit))
    part = edit.launch("spot")["UserData"]["Fn::Base64"]["Fn::Join"][1][1]
    part["Fn::Base64"] += f"\n{script}\n# https://example.com is only where this comes from\n"


@trips("HPC036")
def user_data_that_fetches_from_the_internet(edit: Any) -> None:
    without_internet(edit, "curl --silent https://example.com/agent.sh | bash")


@trips("HPC036")
def the_installer_of_efa(edit: Any) -> None:
    without_internet(edit, "curl -O https://efa-installer.amazonaws.com/aws-efa-installer-1.43.2.tar.gz")
