"""Elastic Fabric Adapters: interfaces, groups, placement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hpc_constructs.instances import InstanceType, catalogue
from hpc_constructs.rules.batch_model import EFA_KINDS, ComputeEnvironment, Platform
from hpc_constructs.rules.finding import Hit, check
from hpc_constructs.rules.templates import Properties, Resource

INTERFACES = "Properties.LaunchTemplateData.NetworkInterfaces"
TYPES = "Properties.ComputeResources.InstanceTypes"
ANYWHERE = {"0.0.0.0/0", "::/0"}


def _with_efa(platform: Platform) -> Iterator[ComputeEnvironment]:
    return (item for item in platform.compute_environments if item.efa_interfaces)


def _card(interface: Properties) -> int:
    return int(interface.get("NetworkCardIndex", 0))


def _device(interface: Properties) -> int:
    return int(interface.get("DeviceIndex", 0))


@check("HPC020")
def exact_types(platform: Platform) -> Iterator[Hit]:
    for item in _with_efa(platform):
        for name in item.type_names:
            kind = catalogue().get(name)
            if kind is None:
                yield item.resource, f"'{name}' is no single type", TYPES
            elif not kind.efa_interfaces:
                yield item.resource, f"{name} has no EFA", TYPES


def _layout_faults(interfaces: list[Properties], kind: InstanceType) -> Iterator[str]:
    efa = [one for one in interfaces if one.get("InterfaceType") in EFA_KINDS]
    places = Counter((_card(one), _device(one)) for one in interfaces)
    first = [one for one in interfaces if (_card(one), _device(one)) == (0, 0)]
    if not first or first[0].get("InterfaceType") == "efa-only":
        yield "no primary interface with an address at card 0, device 0"
    if any(count > 1 for count in places.values()):
        yield "two interfaces at the same card and device"
    if len(efa) > kind.efa_interfaces:
        yield f"{len(efa)} EFA interfaces, {kind.name} takes {kind.efa_interfaces}"
    bare = sorted({_card(one) for one in efa} - set(kind.efa_cards))
    if bare and kind.efa_cards:
        yield f"EFA on card {bare[0]}, {kind.name} has it on {', '.join(map(str, kind.efa_cards))}"
    for card, count in Counter(map(_card, interfaces)).items():
        most = kind.enis_per_card[card] if card < len(kind.enis_per_card) else 0
        if count > most:
            yield f"{count} interfaces on card {card}, {kind.name} takes {most}"


@check("HPC021")
def layout(platform: Platform) -> Iterator[Hit]:
    for item in _with_efa(platform):
        for kind in item.types:
            if kind.efa_interfaces:
                for fault in _layout_faults(item.interfaces, kind):
                    yield item.launch_template or item.resource, fault, INTERFACES


@check("HPC022")
def slot_for_the_task(platform: Platform) -> Iterator[Hit]:
    for queue in platform.queues:
        if queue.kind != "multi-node":
            continue
        for item in queue.compute_environments:
            used = sum(_card(one) == 0 for one in item.interfaces)
            for kind in item.types:
                # More interfaces than the card takes are a wrong layout, which another rule reports.
                if item.interfaces and used == kind.enis_per_card[0]:
                    detail = f"{used} of {kind.enis_per_card[0]} on card 0 of {kind.name} are taken"
                    yield item.launch_template or item.resource, detail, INTERFACES


def _rules(platform: Platform, group: Resource, direction: str) -> Iterator[Properties]:
    """Yield the rules of a group, inline and standalone."""
    yield from group.properties.get(f"SecurityGroup{direction}", [])
    for item in platform.templates.of(f"AWS::EC2::SecurityGroup{direction}"):
        if platform.templates.find(item.properties.get("GroupId"), item.template) is group:
            yield item.properties


def _open_to_itself(platform: Platform, group: Resource, direction: str) -> bool:
    other = "SourceSecurityGroupId" if direction == "Ingress" else "DestinationSecurityGroupId"
    return any(
        str(rule.get("IpProtocol")) == "-1" and platform.templates.find(rule.get(other), group.template) is group
        for rule in _rules(platform, group, direction)
    )


@check("HPC023")
def group_open_to_itself(platform: Platform) -> Iterator[Hit]:
    for item in _with_efa(platform):
        groups = item.interface_groups
        if not groups:  # those of an existing VPC are not in the templates
            continue
        directions = ("Ingress", "Egress")
        if not any(all(_open_to_itself(platform, group, one) for one in directions) for group in groups):
            detail = ", ".join(group.logical_id for group in groups)
            yield item.launch_template or item.resource, detail, f"{INTERFACES}.Groups"


@check("HPC024")
def no_mixed_egress(platform: Platform) -> Iterator[Hit]:
    for group in platform.templates.of("AWS::EC2::SecurityGroup"):
        inline = group.properties.get("SecurityGroupEgress", [])
        anywhere = any(ANYWHERE & {rule.get("CidrIp"), rule.get("CidrIpv6")} for rule in inline)
        alone = [
            item.logical_id
            for item in platform.templates.of("AWS::EC2::SecurityGroupEgress")
            if platform.templates.find(item.properties.get("GroupId"), item.template) is group
        ]
        if anywhere and alone:
            yield group, f"together with {alone[0]}", "Properties.SecurityGroupEgress"


@check("HPC025")
def default_group(platform: Platform) -> Iterator[Hit]:
    if any("SecurityGroupIds" not in item.settings for item in _with_efa(platform)):
        for item in platform.templates.of("Custom::VpcRestrictDefaultSG"):
            yield item, "", ""


@check("HPC026")
def not_shared_with_spot(platform: Platform) -> Iterator[Hit]:
    for item in platform.compute_environments:
        if not item.spot:
            continue
        if item.efa_interfaces:
            yield item.resource, "the launch template has EFA", "Properties.ComputeResources.LaunchTemplate"
        if item.settings.get("PlacementGroup"):
            yield item.resource, "it has a placement group", "Properties.ComputeResources.PlacementGroup"


@check("HPC027")
def one_subnet(platform: Platform) -> Iterator[Hit]:
    for item in platform.compute_environments:
        count = len(item.settings.get("Subnets", []))
        if count > 1 and (item.settings.get("PlacementGroup") or item.efa_interfaces):
            yield item.resource, f"{count} subnets", "Properties.ComputeResources.Subnets"
