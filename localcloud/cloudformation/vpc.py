"""AWS::EC2::FlowLog, which ministack lacks, and errors of EC2 about VPC endpoints and security groups
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_region
from ministack.services import ec2, iam
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

from localcloud.cloudformation.ec2 import Created, _call, _tags
from localcloud.json_types import Json

SERVICES = {
    "batch", "ec2", "ec2messages", "ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "elasticfilesystem",
    "kms", "logs", "monitoring", "secretsmanager", "ssm", "ssmmessages", "sts",
}  # fmt: skip
GATEWAY_SERVICES = {"dynamodb", "s3"}
WITHOUT_POLICY = {"ecs-agent", "ecs-telemetry"}
"""https://github.com/awsdocs/amazon-ecs-developer-guide/issues/55"""
REPLACING = ("ServiceName", "VpcEndpointType", "VpcId")
MAX_GATEWAYS = 20
"""Per Region (https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-limits-endpoints.html)."""


def _refuse(message: str) -> ValueError:
    return ValueError(f'Resource handler returned message: "{message} (Service: Ec2, Status Code: 400)"')


def _known(store: Any, identity: str, what: str) -> Json:
    if identity not in store:
        raise _refuse(f"The {what} ID '{identity}' does not exist")
    return store[identity]


# -------------------------------------------------------------------------------------------------------- endpoints


def check_endpoint(properties: Json) -> None:
    """Raise the error of EC2 if an endpoint is invalid."""
    vpc = _known(ec2._vpcs, properties["VpcId"], "vpc")
    name = properties["ServiceName"]
    service = name.removeprefix(f"com.amazonaws.{get_region()}.")
    gateway = properties.get("VpcEndpointType", "Gateway") == "Gateway"
    if service not in (GATEWAY_SERVICES if gateway else SERVICES):
        raise _refuse(f"The Vpc Endpoint Service '{name}' does not exist")
    if "PolicyDocument" in properties and service in WITHOUT_POLICY:
        raise _refuse(f"The Vpc Endpoint Service '{name}' does not support endpoint policies")
    others = [
        item for item in ec2._vpc_endpoints.values() if (item["VpcId"], item["ServiceName"]) == (vpc["VpcId"], name)
    ]
    if gateway:
        if sum(item["VpcEndpointType"] == "Gateway" for item in ec2._vpc_endpoints.values()) >= MAX_GATEWAYS:
            raise _refuse("The maximum number of VPC endpoints has been reached.")
        _check_route_tables(properties, others)
    else:
        _check_subnets(properties)
        _check_groups(properties)
        _check_private_dns(properties, vpc, others)


def _check_route_tables(properties: Json, others: list[Json]) -> None:
    for table in properties.get("RouteTableIds", []):
        if _known(ec2._route_tables, table, "routeTable")["VpcId"] != properties["VpcId"]:
            raise _refuse(f"route table {table} and endpoint belong to different networks")
        if any(table in item["RouteTableIds"] for item in others):
            raise _refuse(f"route table {table} already has a route with destination-prefix-list-id of the service")


def _check_subnets(properties: Json) -> None:
    zones: set[str] = set()
    for identity in properties.get("SubnetIds", []):
        subnet = _known(ec2._subnets, identity, "subnet")
        if subnet["VpcId"] != properties["VpcId"]:
            raise _refuse(f"The subnet {identity} does not belong to {properties['VpcId']}")
        if subnet["AvailabilityZone"] in zones:
            raise _refuse(f"Found another VPC endpoint subnet in the availability zone of {identity}")
        zones.add(subnet["AvailabilityZone"])


def _check_groups(properties: Json) -> None:
    for identity in properties.get("SecurityGroupIds", []):
        if _known(ec2._security_groups, identity, "security group")["VpcId"] != properties["VpcId"]:
            raise _refuse(f"Security group {identity} and endpoint belong to different networks")


def _check_private_dns(properties: Json, vpc: Json, others: list[Json]) -> None:
    """https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html#prerequisites-interface-endpoints"""
    if not _true(properties.get("PrivateDnsEnabled")):
        return
    if not (vpc.get("EnableDnsSupport", True) and vpc.get("EnableDnsHostnames", False)):
        raise _refuse(
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for "
            + vpc["VpcId"]
        )
    if any(_true(item.get("PrivateDnsEnabled")) for item in others):
        raise _refuse(
            "private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
            f"{properties['ServiceName']} in the VPC {vpc['VpcId']}"
        )


def _true(value: Any) -> bool:
    return str(value).lower() == "true"


def _create_endpoint(logical_id: str, properties: Json, stack: str) -> Created:
    check_endpoint(properties)
    return _MINISTACKS["AWS::EC2::VPCEndpoint"]["create"](logical_id, properties, stack)


def _update_endpoint(identity: str, old: Json, new: Json, stack: str) -> Created:
    if any(old.get(key) != new.get(key) for key in REPLACING):
        return _create_endpoint("", new, stack)
    return _MINISTACKS["AWS::EC2::VPCEndpoint"]["update"](identity, old, new, stack)


# ------------------------------------------------------------------------------------------------------- flow logs


def _create_flow_log(_logical_id: str, properties: Json, _stack: str) -> Created:
    _known(ec2._vpcs, properties["ResourceId"], "vpc")
    if properties.get("LogDestinationType", "cloud-watch-logs") == "cloud-watch-logs":
        role = properties.get("DeliverLogsPermissionArn")
        if not role:
            raise _refuse("DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs")
        if role.rpartition("/")[2] not in iam._roles:
            raise _refuse(f"Access Denied for LogDestination: unable to assume {role}")
    answer = _call(
        ec2._create_flow_logs, ResourceId__1=properties["ResourceId"], ResourceType=properties["ResourceType"],
        TrafficType=properties.get("TrafficType"), LogDestinationType=properties.get("LogDestinationType"),
        LogDestination=properties.get("LogDestination"), LogGroupName=properties.get("LogGroupName"),
        **_tags("vpc-flow-log", properties),
    )  # fmt: skip
    identity = answer.findtext(".//flowLogIdSet/item")
    return str(identity), {"Id": identity}


def _delete_flow_log(identity: str, _properties: Json) -> None:
    _call(ec2._delete_flow_logs, FlowLogId__1=identity)


# -------------------------------------------------------------------------------------------------- security groups


def _create_group(logical_id: str, properties: Json, stack: str) -> Created:
    if "VpcId" in properties:
        _known(ec2._vpcs, properties["VpcId"], "vpc")
    return _MINISTACKS["AWS::EC2::SecurityGroup"]["create"](logical_id, properties, stack)


_MINISTACKS = {kind: dict(_RESOURCE_HANDLERS[kind]) for kind in ("AWS::EC2::VPCEndpoint", "AWS::EC2::SecurityGroup")}


def handlers() -> dict[str, dict[str, Callable[..., Any] | bool]]:
    """Return the handlers by resource type. A flow log has no update handler, so a change replaces it: all its
    properties except tags require replacement."""
    before = _MINISTACKS
    return {
        "AWS::EC2::VPCEndpoint": before["AWS::EC2::VPCEndpoint"]
        | {"create": _create_endpoint, "update": _update_endpoint},
        "AWS::EC2::SecurityGroup": before["AWS::EC2::SecurityGroup"] | {"create": _create_group},
        "AWS::EC2::FlowLog": {"create": _create_flow_log, "delete": _delete_flow_log},
    }
