"""VPC, subnets, the way out, and the security groups of instances."""

from __future__ import annotations

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from hpc_constructs import config
from hpc_constructs.config.sizing import MOST_ZONES, private_subnet_mask, public_subnet_mask


class Network(Construct):
    """Private subnets in every zone, one of them the EFA subnet, with one NAT gateway and an S3 gateway endpoint.

    The EFA subnet and the NAT gateway share the first zone: nodes in it pay no traffic between zones.
    """

    def __init__(self, scope: Construct, id: str, *, environment: config.Environment) -> None:
        super().__init__(scope, id)
        settings = environment.network
        zones = settings.zone_count
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(settings.cidr),
            max_azs=zones,
            # Address space for zones that may come later: a zone more moves no subnet.
            reserved_azs=MOST_ZONES - zones,
            nat_gateways=1,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Private",
                    subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS,
                    cidr_mask=private_subnet_mask(environment),
                ),
                ec2.SubnetConfiguration(
                    name="Public",
                    subnet_type=ec2.SubnetType.PUBLIC,
                    cidr_mask=public_subnet_mask(environment),
                    map_public_ip_on_launch=False,
                ),
            ],
            gateway_endpoints={"S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)},
            # An EFA compute environment carries its security groups on the interfaces of its launch template, and a
            # multi-node task of an environment without groups of its own gets the VPC's default group
            # (https://docs.aws.amazon.com/batch/latest/userguide/mnp-ce.html). Emptying that group, as CDK's feature
            # flag would by a custom resource, cuts the nodes off from each other.
            restrict_default_security_group=False,
        )
        for index, zone_id in enumerate(settings.zone_ids or ()):
            self._place(index, zone_id)
        self.egress_group = ec2.SecurityGroup(
            self, "Egress", vpc=self.vpc, description="Instances: everything out, nothing in"
        )
        self.nodes_group = self._nodes_group()

    def _nodes_group(self) -> ec2.SecurityGroup:
        """Everything between the nodes of a multi-node job, named in both directions.

        EFA traffic is no IP traffic: only a rule that names the group itself admits it, and a rule for 0.0.0.0/0 in the
        same group may take its place (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-start.html). Hence a
        group apart from the one for egress.
        """
        group = ec2.SecurityGroup(
            self, "Nodes", vpc=self.vpc, description="Nodes of multi-node jobs and EFA", allow_all_outbound=False
        )
        group.connections.allow_internally(ec2.Port.all_traffic(), "between the nodes of a job")
        return group

    def _place(self, index: int, zone_id: str) -> None:
        for subnet in (self.vpc.private_subnets[index], self.vpc.public_subnets[index]):
            resource = subnet.node.default_child
            assert isinstance(resource, ec2.CfnSubnet)  # noqa: S101 (CDK's L2 subnet holds nothing else)
            resource.add_property_deletion_override("AvailabilityZone")
            resource.add_property_override("AvailabilityZoneId", zone_id)

    @property
    def subnet_ids(self) -> list[str]:
        """Private subnets, one in each zone."""
        return [subnet.subnet_id for subnet in self.vpc.private_subnets]

    @property
    def efa_subnet_id(self) -> str:
        """The one subnet of cluster placement groups."""
        return self.subnet_ids[0]
