"""VPC, subnets, NAT gateway, and the security groups of instances."""

from __future__ import annotations

from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from hpc_constructs import config
from hpc_constructs.config.sizing import MOST_ZONES, private_subnet_mask, public_subnet_mask


class Network(Construct):
    """Private subnets, one of them the EFA subnet, and the groups of the instances in them.

    In a dedicated VPC, with a subnet in every zone, or in the existing VPC that the configuration names: nothing is
    looked up there, and only the security groups are created.
    """

    def __init__(self, scope: Construct, id: str, *, environment: config.Environment) -> None:
        super().__init__(scope, id)
        self._environment = environment
        settings = environment.network
        self.own_vpc = None if settings.vpc_id else self._own_vpc()
        self.vpc = cast("ec2.IVpc", self.own_vpc) if self.own_vpc else self._existing_vpc(str(settings.vpc_id))
        # The casts: CDK's classes and interfaces name some parameters differently, which type checkers reject.
        self.egress_group = ec2.SecurityGroup(
            self, "Egress", vpc=self.vpc, description="Instances: everything out, nothing in"
        )
        self.nodes_group = self._nodes_group()

    def _own_vpc(self) -> ec2.Vpc:
        """Create the VPC. The EFA subnet and the NAT gateway share the first zone, so that nodes in it cause no charges
        for traffic between zones."""
        environment, settings = self._environment, self._environment.network
        by_nat = settings.egress == "nat"
        private = ec2.SubnetConfiguration(
            name="Private",
            subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS if by_nat else ec2.SubnetType.PRIVATE_ISOLATED,
            cidr_mask=private_subnet_mask(environment),
        )
        public = ec2.SubnetConfiguration(
            name="Public",
            subnet_type=ec2.SubnetType.PUBLIC,
            cidr_mask=public_subnet_mask(environment),
            map_public_ip_on_launch=False,
        )
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(settings.cidr),
            max_azs=settings.zone_count,
            # Address space for zones that may be added later: another zone moves no subnet.
            reserved_azs=MOST_ZONES - settings.zone_count,
            nat_gateways=1 if by_nat else 0,
            # The private ones first: their addresses are the same with and without public ones.
            subnet_configuration=[private, public] if by_nat else [private],
            # An EFA compute environment has its security groups on the interfaces of its launch template, and a
            # multi-node task of an environment without dedicated groups gets the VPC's default group
            # (https://docs.aws.amazon.com/batch/latest/userguide/mnp-ce.html). Emptying that group, as a custom
            # resource of CDK's feature flag would, cuts the nodes off from each other.
            restrict_default_security_group=False,
        )
        for subnets in (self._private(vpc), vpc.public_subnets):
            for subnet, zone_id in zip(subnets, settings.zone_ids or (), strict=False):
                _place(subnet, zone_id)
        return vpc

    def _existing_vpc(self, vpc_id: str) -> ec2.IVpc:
        """Return the existing VPC for the groups. CDK requires zones, which nothing here reads."""
        zones = cdk.Stack.of(self).availability_zones
        return ec2.Vpc.from_vpc_attributes(self, "Vpc", vpc_id=vpc_id, availability_zones=zones)

    def _nodes_group(self) -> ec2.SecurityGroup:
        """A security group for all traffic between the nodes of a multi-node job, in both directions.

        EFA traffic is not IP traffic: only a rule that names the group itself admits it, and a rule for 0.0.0.0/0 in
        the same group may replace it (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-start.html). Hence a
        group separate from the one for egress.
        """
        group = ec2.SecurityGroup(
            self, "Nodes", vpc=self.vpc, description="Nodes of multi-node jobs and EFA", allow_all_outbound=False
        )
        group.connections.allow_internally(ec2.Port.all_traffic(), "between the nodes of a job")
        return group

    @staticmethod
    def _private(vpc: ec2.Vpc) -> list[ec2.ISubnet]:
        return vpc.private_subnets or vpc.isolated_subnets

    @property
    def private_subnets(self) -> list[ec2.ISubnet]:
        """Private subnets of the dedicated VPC, one in each zone."""
        return self._private(self.own_vpc) if self.own_vpc else []

    @property
    def subnet_ids(self) -> list[str]:
        """Private subnets, at most one in each zone, the EFA subnet first."""
        settings = self._environment.network
        given = list(settings.subnet_ids or ()) or [subnet.subnet_id for subnet in self.private_subnets]
        first = settings.efa_subnet_id or given[0]
        return [first, *(subnet for subnet in given if subnet != first)]

    @property
    def efa_subnet_id(self) -> str:
        """Subnet of EFA and of cluster placement groups."""
        return self.subnet_ids[0]


def _place(subnet: ec2.ISubnet, zone_id: str) -> None:
    resource = subnet.node.default_child
    assert isinstance(resource, ec2.CfnSubnet)  # noqa: S101 (CDK's L2 subnet holds nothing else)
    resource.add_property_deletion_override("AvailabilityZone")
    resource.add_property_override("AvailabilityZoneId", zone_id)
