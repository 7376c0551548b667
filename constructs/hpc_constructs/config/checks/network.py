"""Checks of the network: a dedicated VPC, or an existing one."""

from __future__ import annotations

from collections.abc import Iterator

from hpc_constructs.config.checks.rule import check
from hpc_constructs.config.models import Environment
from hpc_constructs.config.problems import Problem, names, show
from hpc_constructs.config.sizing import MOST_ZONES

OWNERS_BUSINESS = ("cidr", "zones", "egress", "extra_endpoints", "flow_logs", "flow_logs_retention_days")
"""Keys that apply to a dedicated VPC only."""
PREREQUISITES = "docs/existing-vpc.md lists what the VPC must have"


@check("HPC201")
def zones(environment: Environment) -> Iterator[Problem]:
    """`zones` and `zone_ids` agree, and the VPC has address space for them."""
    network = environment.network
    if network.vpc_id or network.subnet_ids:
        return
    if network.zone_ids and "zones" in network.model_fields_set and network.zones != len(network.zone_ids):
        yield Problem(
            path=("network", "zones"),
            given=f"{network.zones} with {len(network.zone_ids)} zone_ids",
            allowed="the number of zone_ids",
            fix="remove `zones`",
        )
    if network.zone_ids and len(network.zone_ids) > MOST_ZONES:
        yield Problem(
            path=("network", "zone_ids"),
            given=f"{len(network.zone_ids)} zone_ids",
            allowed=f"at most {MOST_ZONES}: the VPC has address space for no more",
            fix="remove some",
        )


@check("HPC220")
def endpoints(environment: Environment) -> Iterator[Problem]:
    """Extra endpoints are listed only with egress: endpoints."""
    network = environment.network
    if network.extra_endpoints and network.egress == "nat" and not network.vpc_id:
        yield Problem(
            path=("network", "extra_endpoints"),
            given=f"{names(network.extra_endpoints)} with egress: nat",
            allowed="extra endpoints with egress: endpoints; a NAT gateway reaches every service",
            fix="remove it, or set egress: endpoints",
        )


@check("HPC221")
def existing_vpc(environment: Environment) -> Iterator[Problem]:
    """VPC and subnets are given together, without keys that the VPC's owner decides."""
    network = environment.network
    if network.vpc_id and not network.subnet_ids:
        yield Problem(
            path=("network", "vpc_id"),
            given=f"'{network.vpc_id}' without subnet_ids",
            allowed="an existing VPC with the private subnets to use",
            fix=f"add subnet_ids, one in each zone; {PREREQUISITES}",
            involves=(("network", "subnet_ids"),),
        )
    for key in ("subnet_ids", "efa_subnet_id"):
        if getattr(network, key) and not network.vpc_id:
            yield Problem(
                path=("network", key),
                given=f"{key} without vpc_id",
                allowed="subnets of an existing VPC",
                fix=f"add vpc_id; {PREREQUISITES}",
                involves=(("network", "vpc_id"),),
            )
    if not network.vpc_id:
        return
    for key in OWNERS_BUSINESS:
        if key in network.model_fields_set:
            yield Problem(
                path=("network", key),
                given=f"{show(getattr(network, key))} with vpc_id",
                allowed=f"no {key}: the owner of {network.vpc_id} decides it",
                fix=f"remove it; {PREREQUISITES}",
            )


@check("HPC222")
def existing_subnets(environment: Environment) -> Iterator[Problem]:
    """The EFA subnet is one of the subnets, and each subnet has its zone."""
    network = environment.network
    subnets = network.subnet_ids or ()
    if network.efa_subnet_id and subnets and network.efa_subnet_id not in subnets:
        yield Problem(
            path=("network", "efa_subnet_id"),
            given=f"'{network.efa_subnet_id}'",
            allowed=f"one of subnet_ids: {names(subnets)}",
            fix="name one of these, or add it to subnet_ids",
            involves=(("network", "subnet_ids"),),
        )
    if network.zone_ids and subnets and len(network.zone_ids) != len(subnets):
        yield Problem(
            path=("network", "zone_ids"),
            given=f"{len(network.zone_ids)} zone_ids with {len(subnets)} subnet_ids",
            allowed="the zone of each subnet, in the order of subnet_ids",
            fix="give one zone id for each of subnet_ids",
            involves=(("network", "subnet_ids"),),
        )


CHECKS = (zones, endpoints, existing_vpc, existing_subnets)
