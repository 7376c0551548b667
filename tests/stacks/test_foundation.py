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
    (ingress,) = [
        item for item in stacks.foundation.of("AWS::EC2::SecurityGroupIngress").values() if item["GroupId"] == own
    ]
    (egress,) = [
        item for item in stacks.foundation.of("AWS::EC2::SecurityGroupEgress").values() if item["GroupId"] == own
    ]
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


def bucket(stacks: Any, name: str = "DataBucket") -> dict[str, Any]:
    (found,) = [item for key, item in stacks.foundation.of("AWS::S3::Bucket").items() if key.startswith(name)]
    return found


def key_arn(stacks: Any) -> dict[str, Any]:
    (key,) = stacks.foundation.of("AWS::KMS::Key")
    return {"Fn::GetAtt": [key, "Arn"]}


def test_both_buckets_are_versioned_and_closed(stacks: Any) -> None:
    buckets = stacks.foundation.of("AWS::S3::Bucket")
    assert len(buckets) == 2
    for item in buckets.values():
        assert item["VersioningConfiguration"] == {"Status": "Enabled"}
        assert set(item["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(item["PublicAccessBlockConfiguration"]) == 4


def test_both_buckets_refuse_everything_but_tls(stacks: Any) -> None:
    policies = stacks.foundation.of("AWS::S3::BucketPolicy").values()
    assert len(policies) == 2
    for policy in policies:
        denied = [item for item in policy["PolicyDocument"]["Statement"] if item["Action"] == "s3:*"]
        assert {"Bool": {"aws:SecureTransport": "false"}} in [item["Condition"] for item in denied]
        assert {item["Effect"] for item in denied} == {"Deny"}


def test_data_is_encrypted_with_the_environments_key_by_a_bucket_key(stacks: Any) -> None:
    (rule,) = bucket(stacks)["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["BucketKeyEnabled"] is True
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_arn(stacks)}
    assert rule["ServerSideEncryptionByDefault"] == default


def test_access_logs_go_to_a_bucket_with_the_only_encryption_to_which_s3_delivers(stacks: Any) -> None:
    (target,) = [key for key in stacks.foundation.of("AWS::S3::Bucket") if key.startswith("DataAccessLogs")]
    assert bucket(stacks)["LoggingConfiguration"]["DestinationBucketName"] == {"Ref": target}
    (rule,) = bucket(stacks, "DataAccessLogs")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    rules = bucket(stacks, "DataAccessLogs")["LifecycleConfiguration"]["Rules"]
    assert [item["ExpirationInDays"] for item in rules if "ExpirationInDays" in item] == [
        stacks.environment.data.access_log_days
    ]


def test_s3_alone_may_deliver_access_logs_and_of_the_data_bucket_alone(stacks: Any) -> None:
    (policy,) = [item for key, item in stacks.foundation.of("AWS::S3::BucketPolicy").items() if "AccessLogs" in key]
    (allowed,) = [item for item in policy["PolicyDocument"]["Statement"] if item["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert allowed["Action"] == "s3:PutObject"
    assert set(allowed["Condition"]) == {"ArnLike", "StringEquals"}


def test_every_log_group_and_repository_is_encrypted_with_the_environments_key(stacks: Any) -> None:
    groups = stacks.foundation.of("AWS::Logs::LogGroup").values()
    assert groups
    assert all(item["KmsKeyId"] == key_arn(stacks) for item in groups)
    for repository in stacks.foundation.of("AWS::ECR::Repository").values():
        assert repository["EncryptionConfiguration"] == {"EncryptionType": "KMS", "KmsKey": key_arn(stacks)}
    for item in stacks.operations.of("AWS::Logs::LogGroup").values():
        parameter = stacks.operations.raw["Parameters"][item["KmsKeyId"]["Ref"]]
        assert parameter["Default"] == f"/hpc-operations/{stacks.environment.name}/key"


def test_the_key_rotates_and_admits_the_account_and_cloudwatch_logs_for_its_log_groups_only(stacks: Any) -> None:
    key = stacks.foundation.only("AWS::KMS::Key")
    assert key["EnableKeyRotation"] is True
    account, logs = key["KeyPolicy"]["Statement"]
    assert account["Action"] == "kms:*"
    assert list(account["Principal"]) == ["AWS"]
    assert list(logs["Principal"]) == ["Service"]
    assert list(logs["Condition"]["ArnLike"]) == ["kms:EncryptionContext:aws:logs:arn"]


def test_the_bucket_forgets_unfinished_uploads_and_old_versions(stacks: Any) -> None:
    rules = bucket(stacks)["LifecycleConfiguration"]["Rules"]
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


STATEFUL = ("AWS::S3::Bucket", "AWS::ECR::Repository", "AWS::Logs::LogGroup", "AWS::KMS::Key")


def test_what_holds_state_stays_unless_its_first_deployment_failed(minimal: Any) -> None:
    found = [item for item in minimal.foundation.resources.values() if item["Type"] in STATEFUL]
    assert len(found) == 6
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
    assert len(exports) <= 11 + 2 * repositories


def test_outputs_name_the_repository_and_the_buckets(stacks: Any) -> None:
    assert {"BucketName", "RepositoryUri"} <= set(stacks.foundation.raw["Outputs"])
