"""Networks: routes to AWS, and subnets of instances."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hpc_constructs.rules.batch_model import ComputeEnvironment, Platform
from hpc_constructs.rules.finding import Hit, check
from hpc_constructs.rules.templates import Properties, Resource, listed

SUBNETS = "Properties.ComputeResources.Subnets"
NEEDED = ("ecs", "ecs-agent", "ecs-telemetry", "ecr.api", "ecr.dkr", "logs")
"""Interface endpoints without which an instance joins no cluster, or a container does not start."""
MOST_GROUPS = 5
HTTPS = 443
ADDRESS = re.compile(r"https?://[^\s\"'|;)]+")
COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
INSIDE = re.compile(
    r"://(169\.254\.|docs\.aws\.amazon\.com/|localhost|127\.|([^/]*\.)?s3[.-][^/]*\.amazonaws\.com(\.cn)?(/|$))"
)
"""Hosts that need no internet access: the instance itself, and S3, which has an endpoint. Not all of AWS, since
efa-installer.amazonaws.com has no endpoint."""


def _routes(platform: Platform, subnet: Resource) -> tuple[list[Resource], list[Resource]]:
    """Return the route tables of a subnet, and their default routes."""
    templates = platform.templates
    tables = [
        table
        for item in templates.of("AWS::EC2::SubnetRouteTableAssociation")
        if templates.find(item.properties.get("SubnetId"), item.template) is subnet
        for table in templates.find_all(item.properties.get("RouteTableId"), item.template)
    ]
    routes = [
        item
        for item in templates.of("AWS::EC2::Route")
        if item.properties.get("DestinationCidrBlock") == "0.0.0.0/0"
        and templates.find(item.properties.get("RouteTableId"), item.template) in tables
    ]
    return tables, routes


def _vpc(platform: Platform, resource: Resource) -> Resource | None:
    return platform.templates.find(resource.properties.get("VpcId"), resource.template)


def _service(platform: Platform, endpoint: Resource) -> str:
    """Return the service of an endpoint without region: `ecr.api`."""
    name = platform.templates.text(endpoint.properties.get("ServiceName"), endpoint.template)
    parts = name.replace("${AWS::Region}", "region").split(".")
    return ".".join(parts[3:])


def _endpoints(platform: Platform, vpc: Resource | None, kind: str) -> list[Resource]:
    return [
        item
        for item in platform.templates.of("AWS::EC2::VPCEndpoint")
        if item.properties.get("VpcEndpointType", "Gateway") == kind and _vpc(platform, item) is vpc
    ]


def _missing(platform: Platform, subnet: Resource, tables: list[Resource]) -> list[str]:
    """Return the services without endpoint in a subnet without internet access."""
    vpc = _vpc(platform, subnet)
    there = {_service(platform, item) for item in _endpoints(platform, vpc, "Interface")}
    missing = [name for name in NEEDED if name not in there]
    gateways = [item for item in _endpoints(platform, vpc, "Gateway") if _service(platform, item) == "s3"]
    served = [
        table
        for item in gateways
        for table in platform.templates.find_all(item.properties.get("RouteTableIds"), item.template)
    ]
    return missing if any(table in served for table in tables) else [*missing, "s3"]


def _each_subnet(platform: Platform) -> Iterator[tuple[ComputeEnvironment, Resource]]:
    for item in platform.compute_environments:
        for subnet in item.subnets:
            if subnet.type == "AWS::EC2::Subnet":
                yield item, subnet


@check("HPC030")
def way_to_aws(platform: Platform) -> Iterator[Hit]:
    for item, subnet in _each_subnet(platform):
        tables, routes = _routes(platform, subnet)
        if routes:
            continue
        missing = _missing(platform, subnet, tables)
        if missing:
            yield item.resource, f"{subnet.logical_id}: no NAT and no endpoint for {', '.join(missing)}", SUBNETS


@check("HPC031")
def private_subnet(platform: Platform) -> Iterator[Hit]:
    for item, subnet in _each_subnet(platform):
        _, routes = _routes(platform, subnet)
        if subnet.properties.get("MapPublicIpOnLaunch") is True or any("GatewayId" in one.properties for one in routes):
            yield item.resource, subnet.logical_id, SUBNETS


def _https_from(platform: Platform, group: Resource) -> list[Properties]:
    alone = (
        item.properties
        for item in platform.templates.of("AWS::EC2::SecurityGroupIngress")
        if platform.templates.find(item.properties.get("GroupId"), item.template) is group
    )
    return [
        rule
        for rule in [*group.properties.get("SecurityGroupIngress", []), *alone]
        if str(rule.get("IpProtocol")) == "-1"
        or (str(rule.get("IpProtocol")) == "tcp" and rule.get("FromPort", 0) <= HTTPS <= rule.get("ToPort", 0))
    ]


def _admits_vpc(platform: Platform, group: Resource, vpc: Resource | None) -> bool:
    """Return whether the group admits HTTPS from the whole VPC, since multi-node tasks may have its default group."""
    if vpc is None:  # an existing VPC: its addresses are not in the templates
        return bool(_https_from(platform, group))
    block = vpc.properties.get("CidrBlock")
    for rule in _https_from(platform, group):
        source = rule.get("CidrIp")
        if source == block or (isinstance(source, dict) and platform.templates.find(source, group.template) is vpc):
            return True
    return False


@check("HPC032")
def endpoint_admits_instances(platform: Platform) -> Iterator[Hit]:
    for item in platform.templates.of("AWS::EC2::VPCEndpoint"):
        if item.properties.get("VpcEndpointType") != "Interface":
            continue
        values = listed(item.properties.get("SecurityGroupIds"))
        groups = platform.templates.find_all(values, item.template)
        vpc = _vpc(platform, item)
        if (groups or not values) and not any(_admits_vpc(platform, group, vpc) for group in groups):
            yield item, ", ".join(group.logical_id for group in groups), "Properties.SecurityGroupIds"


@check("HPC033")
def groups_of_the_vpc(platform: Platform) -> Iterator[Hit]:
    for item in platform.compute_environments:
        networks = {id(_vpc(platform, subnet)) for subnet in item.subnets}
        for group in item.groups:
            if networks and id(_vpc(platform, group)) not in networks:
                yield item.resource, group.logical_id, "Properties.ComputeResources.SecurityGroupIds"


@check("HPC034")
def few_groups(platform: Platform) -> Iterator[Hit]:
    for item in platform.compute_environments:
        lists = [item.settings.get("SecurityGroupIds", []), *(one.get("Groups", []) for one in item.interfaces)]
        most = max(map(len, lists))
        if most > MOST_GROUPS:
            yield item.resource, f"{most} groups", "Properties.ComputeResources.SecurityGroupIds"


@check("HPC035")
def zone_offers_type(platform: Platform) -> Iterator[Hit]:
    for item in platform.compute_environments:
        zones = [subnet.properties.get("AvailabilityZoneId") for subnet in item.subnets]
        for kind in item.types:
            if zones and kind.zone_ids and not set(kind.zone_ids) & set(map(str, zones)):
                where = ", ".join(str(zone) for zone in zones if zone) or "zones that are not named"
                yield item.resource, f"{kind.name} in {where}; it is in {', '.join(kind.zone_ids)}", SUBNETS


@check("HPC036")
def user_data_stays_inside(platform: Platform) -> Iterator[Hit]:
    for item in platform.compute_environments:
        subnets = [subnet for subnet in item.subnets if subnet.type == "AWS::EC2::Subnet"]
        template = item.launch_template
        if template is None or all(_routes(platform, subnet)[1] for subnet in subnets):
            continue
        text = platform.templates.text(item.launch_data.get("UserData", ""), template.template)
        found = [address for address in ADDRESS.findall(COMMENT.sub("", text)) if not INSIDE.search(address)]
        if found:
            yield template, found[0], "Properties.LaunchTemplateData.UserData"
