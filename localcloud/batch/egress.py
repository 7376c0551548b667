"""Reachability of the services that an instance needs to run jobs
(https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html).

AWS reports nothing: instances start but never join the cluster, and jobs stay in RUNNABLE.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import ec2

from localcloud.batch.model import ComputeEnvironment, Kind, Scope
from localcloud.json_types import Json

NEEDED = {"ecs", "ecs-agent", "ecs-telemetry", "ecr.api", "ecr.dkr", "logs"}
"""https://docs.aws.amazon.com/batch/latest/userguide/vpc-endpoint-considerations.html"""
HTTPS = 443


def has_egress(scope: Scope, environment: ComputeEnvironment, kind: Kind) -> bool:
    """Return whether jobs of a kind can start in a subnet of the compute environment."""
    resources = environment.detail["computeResources"]
    key = (kind, *resources["subnets"])
    # A positive result is kept: there are many jobs, and the VPC of running instances stays.
    if key not in environment.egress_kinds:
        with request_scope(scope.account, scope.region):
            if any(_leads_out(ec2._subnets[name], kind, scope.region) for name in resources["subnets"]):
                environment.egress_kinds.add(key)
    return key in environment.egress_kinds


def _leads_out(subnet: Json, kind: Kind, region: str) -> bool:
    table = _route_table(subnet)
    return any(_route_leads_out(route, subnet, kind) for route in table["Routes"]) or _by_endpoints(
        subnet, table, kind, region
    )


def _route_table(subnet: Json) -> Json:
    """Return the subnet's route table: an explicitly associated one, else the VPC's main one."""
    tables = [item for item in ec2._route_tables.values() if item["VpcId"] == subnet["VpcId"]]
    own = [item for item in tables if subnet["SubnetId"] in [link.get("SubnetId") for link in item["Associations"]]]
    main = [item for item in tables if any(link.get("Main") for link in item["Associations"])]
    return (own or main)[0]


def _route_leads_out(route: Json, subnet: Json, kind: Kind) -> bool:
    """Return whether a route leads out. An internet gateway needs a public address, which multi-node tasks never have
    (https://docs.aws.amazon.com/batch/latest/userguide/mnp-ce.html)."""
    if route.get("DestinationCidrBlock") != "0.0.0.0/0":
        return False
    if route.get("GatewayId", "").startswith("igw-"):
        return bool(subnet.get("MapPublicIpOnLaunch")) and kind != "multi-node"
    if "NatGatewayId" in route:
        gateway = ec2._nat_gateways.get(route["NatGatewayId"])
        return gateway is not None and gateway["State"] == "available"
    return "TransitGatewayId" in route or "InstanceId" in route


def _by_endpoints(subnet: Json, table: Json, kind: Kind, region: str) -> bool:
    prefix = f"com.amazonaws.{region}."
    own = [item for item in ec2._vpc_endpoints.values() if item["VpcId"] == subnet["VpcId"]]
    reached = {
        item["ServiceName"].removeprefix(prefix)
        for item in own
        if str(item.get("PrivateDnsEnabled")).lower() == "true" and _admits(item, subnet, kind)
    }
    layers = any(
        item["ServiceName"] == f"{prefix}s3" and table["RouteTableId"] in item["RouteTableIds"] for item in own
    )
    return layers and reached >= NEEDED


def _admits(endpoint: Json, subnet: Json, kind: Kind) -> bool:
    """Return whether a security group of the endpoint allows HTTPS from the subnet. A rule that names groups does not
    help multi-node jobs, whose tasks may be in the default group."""
    addresses = IPv4Network(subnet["CidrBlock"])
    for rule in (rule for name in endpoint["SecurityGroupIds"] for rule in ec2._security_groups[name]["IpPermissions"]):
        if not _is_https(rule):
            continue
        if any(addresses.subnet_of(IPv4Network(item["CidrIp"])) for item in rule["IpRanges"]):
            return True
        if rule["UserIdGroupPairs"] and kind != "multi-node":
            return True
    return False


def _is_https(rule: dict[str, Any]) -> bool:
    if rule["IpProtocol"] == "-1":
        return True
    return rule["IpProtocol"] in {"tcp", "6"} and int(rule["FromPort"]) <= HTTPS <= int(rule["ToPort"])
