"""Networks that AWS would refuse, or in which no instance would ever reach the service."""

import pytest

from hpc_constructs.config import ConfigError, parse

VPC = "vpc-0123456789abcdef0"
ONE, TWO = "subnet-0aaaaaaaaaaaaaaa1", "subnet-0aaaaaaaaaaaaaaa2"
EXISTING = f"vpc_id: {VPC}, subnet_ids: [{ONE}, {TWO}]"
HPC7A = "compute_environments: {efa: {instance_types: [hpc7a.96xlarge], max_vcpus: 768%s}}\n"


def network(settings: str, more: str = "") -> str:
    return f"network: {{{settings}}}\n{more}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(network("egress: internet"), "allowed: 'nat' or 'endpoints'", id="another way out"),
        pytest.param(
            network("extra_endpoints: [batch, sts]"),
            "network.extra_endpoints: batch, sts with egress: nat given; allowed: extra endpoints with egress: endp",
            id="endpoints with a NAT gateway",
        ),
        pytest.param(network("egress: endpoints, extra_endpoints: [s4]"), "'s4' given; allowed: 'batch'", id="unknown"),
        pytest.param(network("flow_logs_retention_days: 8"), "8 given; allowed: 1, 3, 5", id="retention"),
        pytest.param(
            network("zone_ids: [use1-az1, use1-az2, use1-az3, use1-az4, use1-az5]"),
            "5 zone_ids given; allowed: at most 4",
            id="no room for five zones",
        ),
        pytest.param(network("vpc_id: my-vpc"), "'my-vpc' given; allowed: a VPC id such as vpc-", id="no VPC id"),
        pytest.param(
            network(f"vpc_id: {VPC}"),
            f"'{VPC}' without subnet_ids given; allowed: an existing VPC with the private subnets to use; "
            "fix: add subnet_ids, one in each zone; docs/existing-vpc.md lists what the VPC must have",
            id="VPC without subnets",
        ),
        pytest.param(network(f"subnet_ids: [{ONE}]"), "subnet_ids without vpc_id given", id="subnets without VPC"),
        pytest.param(network(f"efa_subnet_id: {ONE}"), "efa_subnet_id without vpc_id given", id="EFA without VPC"),
        pytest.param(
            network(f"{EXISTING}, efa_subnet_id: subnet-0bbbbbbbbbbbbbbb1"),
            f"'subnet-0bbbbbbbbbbbbbbb1' given; allowed: one of subnet_ids: {ONE}, {TWO}",
            id="EFA subnet is not one of them",
        ),
        pytest.param(
            network(f"vpc_id: {VPC}, subnet_ids: [{ONE}, {ONE}]"), "allowed: each entry once", id="a subnet twice"
        ),
        pytest.param(
            network(f"{EXISTING}, zone_ids: [use2-az2]"),
            "1 zone_ids with 2 subnet_ids given; allowed: the zone of each subnet, in the order of subnet_ids",
            id="a zone is missing",
        ),
        *(
            pytest.param(
                network(f"{EXISTING}, {key}: {value}"),
                f"network.{key}: {shown} with vpc_id given; allowed: no {key}: the owner of {VPC} decides it; fix: "
                "remove it; docs/existing-vpc.md lists what the VPC must have",
                id=f"{key} of an existing VPC",
            )
            for key, value, shown in (
                ("cidr", "10.1.0.0/16", "'10.1.0.0/16'"),
                ("zones", "2", "2"),
                ("egress", "endpoints", "'endpoints'"),
                ("flow_logs", "true", "true"),
                ("flow_logs_retention_days", "30", "30"),
            )
        ),
        pytest.param(
            network("egress: endpoints, zone_ids: [use2-az1, use2-az2]", HPC7A % ", efa: true"),
            "'hpc7a.96xlarge' and network.zone_ids use2-az1, use2-az2 given; allowed: zones that offer it: eun1-az2, "
            "euw1-az1, euw3-az1, use2-az2, as the first of network.zone_ids",
            id="the EFA zone without NAT",
        ),
        pytest.param(
            network("zone_ids: [use2-az1, use2-az2]", HPC7A % ", efa: true, placement_group: false"),
            "as the first of network.zone_ids",
            id="the EFA zone without a placement group",
        ),
        pytest.param(
            network(EXISTING, HPC7A % ", efa: true"),
            "'hpc7a.96xlarge' and no network.zone_ids given",
            id="an existing VPC that does not say its zones",
        ),
        pytest.param(
            network(f"{EXISTING}, efa_subnet_id: {TWO}, zone_ids: [use2-az2, use2-az1]", HPC7A % ", efa: true"),
            "use2-az2, as the zone of network.efa_subnet_id",
            id="the EFA subnet is in another zone",
        ),
    ],
)
def test_is_refused(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, file="environments/x.yaml", name="x")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(network("egress: endpoints, extra_endpoints: [batch, ssm]"), id="extra endpoints"),
        pytest.param(network(EXISTING), id="an existing VPC"),
        pytest.param(
            network(f"{EXISTING}, efa_subnet_id: {TWO}, zone_ids: [use2-az1, use2-az2]", HPC7A % ", efa: true"),
            id="the EFA subnet is in the zone of its type",
        ),
        pytest.param(network(f"vpc_id: vpc-01234567, subnet_ids: [{ONE}]"), id="a VPC of the old kind"),
    ],
)
def test_is_accepted(text: str) -> None:
    assert parse(text, file="environments/x.yaml", name="x").name == "x"


def test_only_the_misspelt_subnet_is_reported() -> None:
    """No complaint about missing subnets where the subnets are there, but one of them is misspelt."""
    with pytest.raises(ConfigError) as caught:
        parse(network(f"vpc_id: {VPC}, subnet_ids: [subnet-x]"), file="environments/x.yaml", name="x")
    (line,) = str(caught.value).splitlines()
    assert "'subnet-x' given; allowed: a subnet id such as" in line
