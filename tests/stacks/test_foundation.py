"""Network, data, images, logs."""

import ipaddress
import json
from typing import Any


def subnets(stacks: Any, kind: str) -> list[dict[str, Any]]:
    return [item for key, item in stacks.foundation.of("AWS::EC2::Subnet").items() if f"{kind}Subnet" in key]


def test_every_zone_has_a_private_subnet_without_public_addresses(stacks: Any) -> None:
    private = subnets(stacks, "Private")
    assert len(private) == stacks.environment.network.zone_count
    assert not any(item["MapPublicIpOnLaunch"] for item in private)


def test_subnets_leave_room_for_four_zones(stacks: Any) -> None:
    vpc = ipaddress.ip_network(stacks.environment.network.cidr)
    blocks = [ipaddress.ip_network(item["CidrBlock"]) for item in subnets(stacks, "Private")]
    assert all(block.prefixlen == vpc.prefixlen + 3 for block in blocks)
    first_half, second_half = vpc.subnets(1)
    assert all(block.subnet_of(first_half) for block in blocks)
    public = [ipaddress.ip_network(item["CidrBlock"]) for item in subnets(stacks, "Public")]
    assert all(block.subnet_of(second_half) for block in public)


def test_zones_by_id_replace_zones_by_position(wide: Any) -> None:
    for kind in ("Private", "Public"):
        found = subnets(wide, kind)
        assert [item["AvailabilityZoneId"] for item in found] == ["use2-az2", "use2-az1", "use2-az3"]
        assert not any("AvailabilityZone" in item for item in found)


def test_the_default_security_group_is_left_as_it_is(stacks: Any) -> None:
    """Tasks of EFA environments may be in it; emptied, their nodes would not reach each other."""
    for template in stacks.templates:
        assert not any(item["Type"].startswith("Custom::") for item in template.resources.values())


def test_the_nodes_group_admits_itself_in_both_directions(stacks: Any) -> None:
    (nodes,) = [key for key in stacks.foundation.of("AWS::EC2::SecurityGroup") if "Nodes" in key]
    own = {"Fn::GetAtt": [nodes, "GroupId"]}
    ingress = stacks.foundation.only("AWS::EC2::SecurityGroupIngress")
    egress = stacks.foundation.only("AWS::EC2::SecurityGroupEgress")
    assert (ingress["GroupId"], ingress["SourceSecurityGroupId"], ingress["IpProtocol"]) == (own, own, "-1")
    assert (egress["GroupId"], egress["DestinationSecurityGroupId"], egress["IpProtocol"]) == (own, own, "-1")


def test_no_group_mixes_a_rule_for_all_addresses_with_standalone_egress(stacks: Any) -> None:
    """CloudFormation would strip the rule for all addresses."""
    groups = stacks.foundation.of("AWS::EC2::SecurityGroup")
    standalone = {
        item["GroupId"]["Fn::GetAtt"][0] for item in stacks.foundation.of("AWS::EC2::SecurityGroupEgress").values()
    }
    inline = {key for key, item in groups.items() if item.get("SecurityGroupEgress")}
    assert inline
    assert not inline & standalone


def test_nothing_from_outside_is_admitted(stacks: Any) -> None:
    for key, group in stacks.foundation.of("AWS::EC2::SecurityGroup").items():
        admitted = [
            (rule["CidrIp"], rule["FromPort"], rule["ToPort"]) for rule in group.get("SecurityGroupIngress", [])
        ]
        assert admitted in ([], [(stacks.environment.network.cidr, 443, 443)]), key


def test_the_bucket_is_versioned_encrypted_and_closed(stacks: Any) -> None:
    bucket = stacks.foundation.only("AWS::S3::Bucket")
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4


def test_the_bucket_refuses_everything_but_tls(stacks: Any) -> None:
    policy = stacks.foundation.only("AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
    denied = [item for item in policy if item["Effect"] == "Deny" and item["Action"] == "s3:*"]
    assert {"Bool": {"aws:SecureTransport": "false"}} in [item["Condition"] for item in denied]


def test_the_bucket_forgets_unfinished_uploads_and_old_versions(stacks: Any) -> None:
    rules = stacks.foundation.only("AWS::S3::Bucket")["LifecycleConfiguration"]["Rules"]
    assert {"DaysAfterInitiation": 7} in [rule.get("AbortIncompleteMultipartUpload") for rule in rules]
    assert {"NoncurrentDays": 30} in [rule.get("NoncurrentVersionExpiration") for rule in rules]
    assert not any("ExpirationInDays" in rule for rule in rules), "results would vanish"


def test_images_are_immutable_scanned_and_cleaned_up(stacks: Any) -> None:
    for repository in stacks.foundation.of("AWS::ECR::Repository").values():
        assert repository["ImageTagMutability"] == "IMMUTABLE"
        assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert len(json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]) == 2


def test_only_projects_with_own_images_have_a_repository_of_their_own(stacks: Any) -> None:
    own = [key for key in stacks.foundation.of("AWS::ECR::Repository") if key.startswith("OwnImages")]
    assert len(own) == sum(project.own_images for project in stacks.environment.projects.values())


def test_logs_end(stacks: Any) -> None:
    groups = stacks.foundation.of("AWS::Logs::LogGroup")
    (jobs,) = [item for key, item in groups.items() if key.startswith("LogsGroup")]
    assert jobs["RetentionInDays"] == stacks.environment.logs.retention_days
    assert all(item["RetentionInDays"] for item in groups.values())


STATEFUL = ("AWS::S3::Bucket", "AWS::ECR::Repository", "AWS::Logs::LogGroup")


def test_what_holds_state_stays_unless_its_first_deployment_failed(minimal: Any) -> None:
    found = [item for item in minimal.foundation.resources.values() if item["Type"] in STATEFUL]
    assert len(found) == 4
    assert {item["DeletionPolicy"] for item in found} == {"RetainExceptOnCreate"}
    assert {item["UpdateReplacePolicy"] for item in found} == {"Retain"}
    assert "EmptyOnDelete" not in minimal.foundation.only("AWS::ECR::Repository")


def test_a_throw_away_environment_leaves_nothing(dev: Any) -> None:
    found = [item for item in dev.foundation.resources.values() if item["Type"] in STATEFUL]
    assert {item["DeletionPolicy"] for item in found} == {"Delete"}
    assert all(item["EmptyOnDelete"] for item in dev.foundation.of("AWS::ECR::Repository").values())


def test_nothing_that_may_be_replaced_has_a_name(stacks: Any) -> None:
    names = {"BucketName", "RepositoryName", "LogGroupName", "GroupName", "RoleName", "ManagedPolicyName"}
    for template in stacks.templates:
        for key, item in template.resources.items():
            given = {name for name, value in item.get("Properties", {}).items() if not isinstance(value, dict)}
            assert not names & given, key


def test_the_other_stack_uses_few_things_of_this_one(dev: Any) -> None:
    """Every export is a thing that this stack can no longer replace."""
    exports = [item for item in dev.foundation.raw["Outputs"].values() if "Export" in item]
    repositories = sum(project.own_images for project in dev.environment.projects.values())
    assert len(exports) <= 10 + 2 * repositories


def test_people_are_told_where_to_push_and_where_data_is(stacks: Any) -> None:
    assert {"BucketName", "RepositoryUri"} <= set(stacks.foundation.raw["Outputs"])
