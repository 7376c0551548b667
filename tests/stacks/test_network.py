"""Egress of the private subnets, endpoint policies, and flow logs."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hpc_constructs.config import parse
from tests.stacks.conftest import Stacks, synthesize, text

NEEDED = {"ecs", "ecs-agent", "ecs-telemetry", "ecr.api", "ecr.dkr", "logs"}
"""https://docs.aws.amazon.com/batch/latest/userguide/vpc-endpoint-considerations.html"""


@pytest.fixture(scope="session", params=["dev", "minimal", "wide"])
def by_nat(request: pytest.FixtureRequest) -> Stacks:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def more(tmp_path_factory: pytest.TempPathFactory) -> Stacks:
    """Extra endpoints, zones by id, no flow logs, another repository, two projects with a bucket in common."""
    source = """
region: eu-north-1
network:
  zone_ids: [eun1-az2, eun1-az1]
  egress: endpoints
  extra_endpoints: [batch, monitoring]
  flow_logs: false
projects:
  alpha: {read_buckets: [genomes, weather]}
  beta: {read_buckets: [genomes]}
compute_environments:
  efa: {instance_types: [hpc7a.96xlarge], max_vcpus: 768}
definitions:
  tool: {image: "210987654321.dkr.ecr.eu-north-1.amazonaws.com/team/tool@sha256:%s"}
""" % ("0" * 64)
    environment = parse(source, file="environments/more.yaml", name="more")
    return synthesize(environment, tmp_path_factory.mktemp("more"))


def routes(stacks: Stacks, kind: str) -> dict[str, Any]:
    """Default routes of the subnets of a kind ("Private", "Public"), by logical id."""
    return {
        key: item
        for key, item in stacks.foundation.of("AWS::EC2::Route").items()
        if kind in key and item["DestinationCidrBlock"] == "0.0.0.0/0"
    }


def private_subnets(stacks: Stacks) -> dict[str, Any]:
    found = stacks.foundation.of("AWS::EC2::Subnet")
    return {key: item for key, item in found.items() if "PrivateSubnet" in key}


def endpoints(stacks: Stacks, kind: str) -> dict[str, Any]:
    """Endpoints of a type, by service."""
    found = stacks.foundation.of("AWS::EC2::VPCEndpoint").values()
    region = stacks.environment.region or "${AWS::Region}"
    chosen = [item for item in found if item["VpcEndpointType"] == kind]
    # CDK writes the token for gateways, also where it knows the region.
    names = {text(item["ServiceName"]).replace("${AWS::Region}", region): item for item in chosen}
    assert all(name.startswith(f"com.amazonaws.{region}.") for name in names)
    return {name.removeprefix(f"com.amazonaws.{region}."): item for name, item in names.items()}


def statements(endpoint: dict[str, Any]) -> dict[str, Any]:
    return {item["Sid"]: item for item in endpoint["PolicyDocument"]["Statement"]}


def resources(statement: dict[str, Any]) -> list[str]:
    given = statement["Resource"]
    return [text(item) for item in (given if isinstance(given, list) else [given])]


def test_private_subnets_leave_by_the_one_nat_gateway(by_nat: Any) -> None:
    (nat,) = by_nat.foundation.of("AWS::EC2::NatGateway")
    targets = [item["NatGatewayId"] for item in routes(by_nat, "Private").values()]
    assert targets == [{"Ref": nat}] * by_nat.environment.network.zone_count
    assert endpoints(by_nat, "Interface") == {}


def test_the_nat_gateway_is_in_the_zone_of_the_efa_subnet(by_nat: Any) -> None:
    nat = by_nat.foundation.only("AWS::EC2::NatGateway")
    public = by_nat.foundation.resources[nat["SubnetId"]["Ref"]]["Properties"]
    private = next(iter(private_subnets(by_nat).values()))
    keys = ("AvailabilityZone", "AvailabilityZoneId")
    assert [public.get(key) for key in keys] == [private.get(key) for key in keys]


def test_endpoints_mean_no_way_to_the_internet_and_none_from_it(isolated: Any) -> None:
    kinds = {item["Type"] for item in isolated.foundation.resources.values()}
    ways = {"NatGateway", "InternetGateway", "VPCGatewayAttachment", "EgressOnlyInternetGateway", "EIP", "Route"}
    assert not {f"AWS::EC2::{kind}" for kind in ways} & kinds
    subnets = isolated.foundation.of("AWS::EC2::Subnet")
    assert set(subnets) == set(private_subnets(isolated))
    assert not any(item["MapPublicIpOnLaunch"] for item in subnets.values())


def test_an_instance_without_internet_reaches_all_that_batch_needs(isolated: Any, more: Any) -> None:
    assert set(endpoints(isolated, "Interface")) == NEEDED
    assert set(endpoints(more, "Interface")) == NEEDED | {"batch", "monitoring"}


def test_every_private_subnet_has_every_endpoint_under_its_usual_name(isolated: Any, more: Any) -> None:
    for stacks in (isolated, more):
        wanted = [{"Ref": key} for key in private_subnets(stacks)]
        assert len(wanted) == 2
        for service, endpoint in endpoints(stacks, "Interface").items():
            assert endpoint["SubnetIds"] == wanted, service
            assert endpoint["PrivateDnsEnabled"] is True, service
        vpc = stacks.foundation.only("AWS::EC2::VPC")
        assert (vpc["EnableDnsSupport"], vpc["EnableDnsHostnames"]) == (True, True)


def test_endpoints_admit_https_from_the_whole_vpc_and_nothing_else(isolated: Any) -> None:
    """Also from the tasks of multi-node jobs, which may be in the default security group."""
    groups = {json.dumps(item["SecurityGroupIds"]) for item in endpoints(isolated, "Interface").values()}
    (only,) = groups
    ((reference),) = json.loads(only)
    group = isolated.foundation.resources[reference["Fn::GetAtt"][0]]["Properties"]
    (rule,) = group["SecurityGroupIngress"]
    assert rule["CidrIp"] == isolated.foundation.only("AWS::EC2::VPC")["CidrBlock"] == "10.30.0.0/16"
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 443, 443)


def test_s3_is_reached_by_a_gateway_endpoint_from_every_private_subnet(stacks: Any) -> None:
    (service,) = endpoints(stacks, "Gateway")
    assert service == "s3"
    tables = {reference["Ref"] for reference in endpoints(stacks, "Gateway")["s3"]["RouteTableIds"]}
    associations = stacks.foundation.of("AWS::EC2::SubnetRouteTableAssociation").values()
    table_of = {item["SubnetId"]["Ref"]: item["RouteTableId"]["Ref"] for item in associations}
    assert {table_of[subnet] for subnet in private_subnets(stacks)} <= tables


def test_the_s3_endpoint_admits_own_buckets_read_buckets_layers_and_packages(stacks: Any) -> None:
    found = statements(endpoints(stacks, "Gateway")["s3"])
    (bucket,) = [key for key in stacks.foundation.of("AWS::S3::Bucket") if key.startswith("DataBucket")]
    assert resources(found["OwnBucket"]) == [f"${{{bucket}.Arn}}", f"${{{bucket}.Arn}}/*"]
    region = stacks.environment.region or "${AWS::Region}"
    partition = "arn:${AWS::Partition}:s3:::"
    assert resources(found["ImageLayers"]) == [f"{partition}prod-{region}-starport-layer-bucket/*"]
    assert resources(found["AmazonLinuxPackages"]) == [f"{partition}al2023-repos-{region}-de612dc2/*"]
    read = {name for project in stacks.environment.projects.values() for name in project.read_buckets}
    assert ("ReadBuckets" in found) == bool(read)


def test_read_buckets_of_all_projects_pass_once_for_reading(more: Any) -> None:
    found = statements(endpoints(more, "Gateway")["s3"])["ReadBuckets"]
    names = [item.removeprefix("arn:${AWS::Partition}:s3:::") for item in resources(found)]
    assert sorted(names) == ["genomes", "genomes/*", "weather", "weather/*"]
    assert not any("Put" in action or "Delete" in action for action in found["Action"])


def test_nothing_passes_an_endpoint_with_foreign_credentials_but_public_reading(stacks: Any) -> None:
    account = stacks.environment.account or {"Ref": "AWS::AccountId"}
    for kind in ("Gateway", "Interface"):
        for service, endpoint in endpoints(stacks, kind).items():
            for sid, statement in statements(endpoint).items() if "PolicyDocument" in endpoint else ():
                assert statement["Effect"] == "Allow"
                if sid in {"ImageLayers", "AmazonLinuxPackages"}:
                    assert (service, statement["Action"]) == ("s3", "s3:GetObject")
                else:
                    assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": account}}, (service, sid)


def test_only_the_two_services_that_take_no_policy_have_none(isolated: Any, more: Any) -> None:
    for stacks in (isolated, more):
        found = endpoints(stacks, "Interface")
        without = {service for service, item in found.items() if "PolicyDocument" not in item}
        assert without == {"ecs-agent", "ecs-telemetry"}


def test_images_are_pulled_and_logs_written_of_the_environment_alone(isolated: Any) -> None:
    found = endpoints(isolated, "Interface")
    (repository,) = isolated.foundation.of("AWS::ECR::Repository")
    for service in ("ecr.api", "ecr.dkr"):
        policy = statements(found[service])
        assert policy["RegistryLogin"]["Action"] == "ecr:GetAuthorizationToken"
        assert resources(policy["OwnRepository"]) == [f"${{{repository}.Arn}}"]
        assert not any("Put" in action or "Upload" in action for action in policy["OwnRepository"]["Action"])
    (group,) = [key for key in isolated.foundation.of("AWS::Logs::LogGroup") if key.startswith("LogsGroup")]
    (arn,) = resources(statements(found["logs"])["OwnLogGroup"])
    assert arn.endswith(f":log-group:${{{group}}}:*")


def test_images_of_the_repositories_that_definitions_name_are_pulled_too(more: Any, isolated: Any) -> None:
    for service in ("ecr.api", "ecr.dkr"):
        policy = statements(endpoints(more, "Interface")[service])
        (arn,) = resources(policy["OtherRepositories"])
        assert arn.endswith(":ecr:eu-north-1:210987654321:repository/team/tool")
        assert policy["OtherRepositories"]["Action"] == policy["OwnRepository"]["Action"]
        assert "OtherRepositories" not in statements(endpoints(isolated, "Interface")[service])


def test_an_extra_endpoint_admits_its_service_to_this_account(more: Any) -> None:
    found = endpoints(more, "Interface")
    assert statements(found["batch"])["OwnAccount"]["Action"] == "batch:*"
    assert statements(found["monitoring"])["OwnAccount"]["Action"] == "cloudwatch:*"


def test_zones_by_id_hold_without_nat_as_well(more: Any) -> None:
    found = private_subnets(more).values()
    assert [item["AvailabilityZoneId"] for item in found] == ["eun1-az2", "eun1-az1"]
    assert not any("AvailabilityZone" in item for item in found)


def test_private_subnets_stay_when_the_way_out_changes(dev: Any, tmp_path: Path) -> None:
    network = dev.environment.network.model_copy(update={"egress": "endpoints"})
    changed = synthesize(dev.environment.model_copy(update={"network": network}), tmp_path)
    before, after = private_subnets(dev), private_subnets(changed)
    assert list(before) == list(after)
    assert [item["CidrBlock"] for item in before.values()] == [item["CidrBlock"] for item in after.values()]
    assert set(dev.foundation.of("AWS::EC2::VPCEndpoint")) <= set(changed.foundation.of("AWS::EC2::VPCEndpoint"))


def test_all_traffic_of_the_vpc_is_recorded_in_a_separate_group(stacks: Any) -> None:
    log = stacks.foundation.only("AWS::EC2::FlowLog")
    (vpc,) = stacks.foundation.of("AWS::EC2::VPC")
    assert (log["ResourceType"], log["ResourceId"], log["TrafficType"]) == ("VPC", {"Ref": vpc}, "ALL")
    group = stacks.foundation.resources[log["LogGroupName"]["Ref"]]
    assert group["Properties"]["RetentionInDays"] == stacks.environment.network.flow_logs_retention_days


def test_flow_logs_are_delivered_by_a_role_that_writes_this_group_and_does_nothing_else(stacks: Any) -> None:
    template = stacks.foundation
    log = template.only("AWS::EC2::FlowLog")
    role = template.resources[log["DeliverLogsPermissionArn"]["Fn::GetAtt"][0]]["Properties"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert set(trust["Condition"]) == {"StringEquals", "ArnLike"}
    assert not {"Policies", "ManagedPolicyArns"} & set(role)
    assert not template.of("AWS::IAM::Policy")
    (statement,) = template.only("AWS::IAM::ManagedPolicy")["PolicyDocument"]["Statement"]
    group = log["LogGroupName"]["Ref"]
    assert all(f":log-group:${{{group}}}" in arn for arn in resources(statement))
    assert "logs:CreateLogGroup" not in statement["Action"]
    (policy,) = template.of("AWS::IAM::ManagedPolicy")
    (resource,) = [item for item in template.resources.values() if item["Type"] == "AWS::EC2::FlowLog"]
    assert policy in resource["DependsOn"]


def test_flow_logs_can_be_left_out_with_all_that_belongs_to_them(more: Any) -> None:
    kinds = [item["Type"] for item in more.foundation.resources.values()]
    assert not {"AWS::EC2::FlowLog", "AWS::IAM::Role", "AWS::IAM::ManagedPolicy"} & set(kinds)
    assert kinds.count("AWS::Logs::LogGroup") == 1


VPC = "vpc-0123456789abcdef0"
SUBNETS = ["subnet-0aaaaaaaaaaaaaaa1", "subnet-0aaaaaaaaaaaaaaa2", "subnet-0aaaaaaaaaaaaaaa3"]


@pytest.fixture(scope="session")
def existing(tmp_path_factory: pytest.TempPathFactory) -> Stacks:
    network = f"{{vpc_id: {VPC}, subnet_ids: [{', '.join(SUBNETS)}], efa_subnet_id: {SUBNETS[1]}}}"
    environment = parse(f"network: {network}\n", file="environments/existing.yaml", name="existing")
    return synthesize(environment, tmp_path_factory.mktemp("existing"))


def test_in_an_existing_vpc_only_security_groups_are_made_and_in_that_vpc(existing: Any) -> None:
    kinds = [item["Type"] for item in existing.foundation.resources.values()]
    made = {kind for kind in kinds if kind.startswith("AWS::EC2::")}
    assert made == {f"AWS::EC2::SecurityGroup{part}" for part in ("", "Ingress", "Egress")}
    groups = existing.foundation.of("AWS::EC2::SecurityGroup").values()
    assert [group["VpcId"] for group in groups] == [VPC, VPC]


def test_in_an_existing_vpc_instances_are_in_the_given_subnets_and_tight_work_in_the_efa_subnet(existing: Any) -> None:
    used = {
        name: existing.compute_environment(name)["ComputeResources"]["Subnets"] for name in ("spot", "on-demand", "efa")
    }
    assert used == {
        "spot": [SUBNETS[1], SUBNETS[0], SUBNETS[2]],
        "on-demand": [SUBNETS[1], SUBNETS[0], SUBNETS[2]],
        "efa": [SUBNETS[1]],
    }


def test_nothing_of_an_existing_vpc_is_looked_up(existing: Any) -> None:
    assert "missing" not in json.loads((existing.folder / "manifest.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["more", "existing"])
def test_cfn_lint_finds_nothing_in_other_networks(name: str, request: pytest.FixtureRequest) -> None:
    stacks = request.getfixturevalue(name)
    paths = [str(template.path) for template in stacks.templates]
    linter = Path(sys.executable).parent / "cfn-lint"
    done = subprocess.run([str(linter), *paths], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
