"""AWS::EC2 types that ministack lacks, and attributes missing from those it has
(https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_EC2.html)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from ministack.services import ec2
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

from localcloud.json_types import Json

Created = tuple[str, Json]
ANYWHERE = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}


def _call(operation: Callable[[Json], tuple[int, Any, bytes]], **params: Any) -> ElementTree.Element:
    """Call an EC2 operation; raise its error as CloudFormation reports it."""
    query = {name.replace("__", "."): [str(value)] for name, value in params.items() if value is not None}
    status, _, body = operation(query)
    # Without its namespace the paths below are plain.
    root = ElementTree.fromstring(body.replace(b' xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"', b""))  # noqa: S314 - own answer
    if status >= 400:
        message = root.findtext(".//Message")
        raise ValueError(f'Resource handler returned message: "{message} (Service: Ec2, Status Code: {status})"')
    return root


def _tags(kind: str, properties: Json) -> Json:
    if not properties.get("Tags"):
        return {}
    tags: Json = {"TagSpecification__1__ResourceType": kind}
    for number, tag in enumerate(properties["Tags"], 1):
        tags[f"TagSpecification__1__Tag__{number}__Key"] = tag["Key"]
        tags[f"TagSpecification__1__Tag__{number}__Value"] = tag["Value"]
    return tags


# ---------------------------------------------------------------------------------------- security group rules


def _permission(properties: Json, direction: str) -> Json:
    side = "Source" if direction == "ingress" else "Destination"
    prefix = "IpPermissions__1__"
    about = properties.get("Description")
    found: Json = {f"{prefix}{key}": properties.get(key) for key in ("IpProtocol", "FromPort", "ToPort")}
    for key, path in (
        ("CidrIp", "IpRanges__1__CidrIp"),
        ("CidrIpv6", "Ipv6Ranges__1__CidrIpv6"),
        (f"{side}SecurityGroupId", "Groups__1__GroupId"),
        (f"{side}PrefixListId", "PrefixListIds__1__PrefixListId"),
    ):
        if key in properties:
            found[prefix + path] = properties[key]
            found[prefix + path.rpartition("__")[0] + "__Description"] = about
    return found


def _create_rule(direction: str) -> Callable[[str, Json, str], Created]:
    authorize = {"ingress": ec2._authorize_sg_ingress, "egress": ec2._authorize_sg_egress}[direction]

    def create(_logical_id: str, properties: Json, _stack: str) -> Created:
        group = properties.get("GroupId")
        if direction == "egress" and _is_not(ANYWHERE, properties):
            # A group without egress rules allows all egress. CloudFormation removes that default with the first rule,
            # even if the template states the same rule inside the group.
            _call(ec2._revoke_sg_egress, GroupId=group, **_permission(ANYWHERE, "egress"))
        answer = _call(authorize, GroupId=group, **_permission(properties, direction))
        rule = answer.findtext(".//securityGroupRuleId")
        return str(rule), {"Id": rule}

    return create


def _is_not(rule: Json, properties: Json) -> bool:
    return any(str(properties.get(key)) != value for key, value in rule.items())


def _delete_rule(direction: str) -> Callable[[str, Json], None]:
    revoke = {"ingress": ec2._revoke_sg_ingress, "egress": ec2._revoke_sg_egress}[direction]

    def delete(_physical_id: str, properties: Json) -> None:
        if properties.get("GroupId") in ec2._security_groups:
            _call(revoke, GroupId=properties["GroupId"], **_permission(properties, direction))

    return delete


# ------------------------------------------------------------------------------- placement group, address, NAT gateway


def _create_placement_group(logical_id: str, properties: Json, stack: str) -> Created:
    name = f"{stack}-{logical_id}-{secrets.token_hex(6).upper()}"
    answer = _call(
        ec2._create_placement_group, GroupName=name, Strategy=properties.get("Strategy"),
        PartitionCount=properties.get("PartitionCount"), **_tags("placement-group", properties),
    )  # fmt: skip
    return name, {"GroupName": name, "GroupId": answer.findtext(".//groupId")}


def _delete_placement_group(name: str, _properties: Json) -> None:
    if name in ec2._placement_groups:
        _call(ec2._delete_placement_group, GroupName=name)


def _create_address(_logical_id: str, properties: Json, _stack: str) -> Created:
    answer = _call(ec2._allocate_address, Domain=properties.get("Domain", "vpc"), **_tags("elastic-ip", properties))
    address = answer.findtext(".//publicIp")
    return str(address), {"PublicIp": address, "AllocationId": answer.findtext(".//allocationId")}


def _delete_address(address: str, _properties: Json) -> None:
    for allocation, item in list(ec2._addresses.items()):
        if item["PublicIp"] == address:
            _call(ec2._release_address, AllocationId=allocation)


def _create_nat_gateway(_logical_id: str, properties: Json, _stack: str) -> Created:
    if properties.get("SubnetId") not in ec2._subnets:
        raise ValueError(f"The subnet ID '{properties.get('SubnetId')}' does not exist")
    public = properties.get("ConnectivityType", "public") == "public"
    if public and properties.get("AllocationId") not in ec2._addresses:
        raise ValueError(f"The allocation ID '{properties.get('AllocationId')}' does not exist")
    answer = _call(
        ec2._create_nat_gateway, SubnetId=properties["SubnetId"], AllocationId=properties.get("AllocationId"),
        ConnectivityType=properties.get("ConnectivityType"), **_tags("natgateway", properties),
    )  # fmt: skip
    identity = answer.findtext(".//natGatewayId")
    return str(identity), {"NatGatewayId": identity}


def _delete_nat_gateway(identity: str, _properties: Json) -> None:
    if identity in ec2._nat_gateways:
        _call(ec2._delete_nat_gateway, NatGatewayId=identity)


# -------------------------------------------------------------------------------------------------------------- VPC


def _with_cidr_block(handler: Callable[..., Created]) -> Callable[..., Created]:
    """Add the attribute of AWS::EC2::VPC that ministack omits."""

    def wrapped(*args: Any) -> Created:
        identity, attributes = handler(*args)
        return identity, attributes | {"CidrBlock": ec2._vpcs[identity]["CidrBlock"]}

    return wrapped


def handlers() -> dict[str, dict[str, Any]]:
    """Return the handlers by resource type. Without an update handler a change replaces the resource, which is right
    for these types: all their properties except tags require replacement."""
    vpc = dict(_RESOURCE_HANDLERS["AWS::EC2::VPC"])
    return {
        "AWS::EC2::SecurityGroupIngress": {"create": _create_rule("ingress"), "delete": _delete_rule("ingress")},
        "AWS::EC2::SecurityGroupEgress": {"create": _create_rule("egress"), "delete": _delete_rule("egress")},
        "AWS::EC2::PlacementGroup": {"create": _create_placement_group, "delete": _delete_placement_group},
        "AWS::EC2::EIP": {"create": _create_address, "delete": _delete_address},
        "AWS::EC2::NatGateway": {"create": _create_nat_gateway, "delete": _delete_nat_gateway},
        "AWS::EC2::VPC": vpc | {name: _with_cidr_block(vpc[name]) for name in ("create", "update")},
    }
