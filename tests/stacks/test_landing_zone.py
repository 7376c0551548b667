"""Requirements of organisations: permissions boundaries, custom bootstrap stacks, tags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpc_constructs.config import ConfigError, parse
from hpc_stacks.environment import UNTAGGED

BASE = "logs: {retention_days: 30}\n"
TAGS = BASE + "tags: {cost-center: 4711, owner: hpc team}\n"


def roles(stacks: Any) -> list[dict[str, Any]]:
    return [role for template in stacks.templates for role in template.of("AWS::IAM::Role").values()]


def manifest(stacks: Any) -> dict[str, Any]:
    found = json.loads((Path(stacks.folder) / "manifest.json").read_text())["artifacts"]
    return {key: item["properties"] for key, item in found.items() if item["type"] == "aws:cloudformation:stack"}


def tags(properties: dict[str, Any]) -> dict[str, str]:
    given = properties.get("Tags", [])
    return given if isinstance(given, dict) else {item["Key"]: item["Value"] for item in given}


def test_a_boundary_by_name_bounds_every_role(synthesized: Any) -> None:
    found = roles(synthesized(BASE + "permissions_boundary: hpc-boundary\n"))
    assert len(found) == 4
    for role in found:
        assert role["PermissionsBoundary"]["Fn::Join"][1][-1] == ":policy/hpc-boundary"


def test_a_boundary_by_arn_bounds_every_role(synthesized: Any) -> None:
    arn = "arn:aws:iam::123456789012:policy/security/boundary"
    found = roles(synthesized(BASE + f"permissions_boundary: {arn}\n"))
    assert [role["PermissionsBoundary"] for role in found] == [arn] * 4


def test_without_a_boundary_no_role_has_one(dev: Any) -> None:
    assert not [role for role in roles(dev) if "PermissionsBoundary" in role]


def test_the_bootstrap_stack_is_found_by_its_qualifier(synthesized: Any) -> None:
    stacks = synthesized(BASE + "bootstrap_qualifier: team1\n")
    for template in stacks.templates:
        assert template.raw["Parameters"]["BootstrapVersion"]["Default"] == "/cdk-bootstrap/team1/version"
    for properties in manifest(stacks).values():
        assert "cdk-team1-deploy-role" in properties["assumeRoleArn"]


def test_account_and_region_are_those_that_the_cli_must_find(synthesized: Any) -> None:
    stacks = synthesized(BASE + "account: 123456789012\nregion: eu-central-1\n")
    artifacts = json.loads((Path(stacks.folder) / "manifest.json").read_text())["artifacts"]
    places = {item["environment"] for item in artifacts.values() if item["type"] == "aws:cloudformation:stack"}
    assert places == {"aws://123456789012/eu-central-1"}


@pytest.mark.parametrize("wanted", [True, False])
def test_stacks_are_protected_from_deletion_where_the_yaml_says_so(synthesized: Any, wanted: bool) -> None:
    stacks = synthesized(BASE + f"termination_protection: {str(wanted).lower()}\n")
    assert [item.get("terminationProtection", False) for item in manifest(stacks).values()] == [wanted] * 3


def test_own_tags_are_wherever_the_platforms_own_one_is(synthesized: Any) -> None:
    stacks = synthesized(TAGS)
    seen = set()
    for template in stacks.templates:
        for key, item in template.resources.items():
            given = tags(item.get("Properties", {}))
            if "hpc:environment" in given:
                seen.add(item["Type"])
                assert (given["cost-center"], given["owner"]) == ("4711", "hpc team"), key
            else:
                assert "cost-center" not in given, key
    assert {"AWS::S3::Bucket", "AWS::IAM::Role", "AWS::Batch::JobDefinition", "AWS::EC2::NatGateway"} <= seen
    assert not seen & set(UNTAGGED)


def test_own_tags_reach_instances_and_their_volumes(synthesized: Any) -> None:
    stacks = synthesized(TAGS)
    assert stacks.compute_environment("spot")["ComputeResources"]["Tags"]["cost-center"] == "4711"
    (volume,) = stacks.launch_template_of("spot")["TagSpecifications"]
    assert (volume["ResourceType"], tags(volume)["cost-center"]) == ("volume", "4711")


def test_jobs_hand_their_tags_to_their_tasks(wide: Any) -> None:
    """https://docs.aws.amazon.com/batch/latest/userguide/tag-resources.html"""
    for definition in wide.compute.of("AWS::Batch::JobDefinition").values():
        assert definition["PropagateTags"] is True
        assert definition["Tags"]["hpc:project"] in {"alpha", "beta"}


@pytest.mark.parametrize(
    ("line", "path", "allowed"),
    [
        ("tags: {hpc:project: x}", "tags.hpc:project", "keys other than Name"),
        ("tags: {aws:x: y}", "tags.aws:x", "keys other than Name"),
        ("tags: {Name: y}", "tags.Name", "keys other than Name"),
        ("tags: {team: a*}", "tags.team", "at most 256 letters"),
        ("tags: {a*: b}", "tags.a*", "at most 128 letters"),
        ("bootstrap_qualifier: Team-1", "bootstrap_qualifier", "at most 10 lower-case"),
        ("permissions_boundary: 'arn:aws:iam::1:role/x'", "permissions_boundary", "name or the ARN of a managed"),
        ("projects: {a: {image_sources: [public.ecr.aws/x]}}", "projects.a.image_sources", "own_images: true"),
        (
            "projects: {a: {own_images: true, image_sources: ['x.io/y:1']}}",
            "projects.a.image_sources[0]",
            "without tag",
        ),
    ],
)
def test_what_cannot_be_is_said_in_the_yamls_words(line: str, path: str, allowed: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(BASE + line + "\n", file="environments/x.yaml", name="x")
    (problem,) = raised.value.problems
    assert str(problem).startswith("environments/x.yaml:2: ")
    assert f" {path}:" in str(problem)
    assert allowed in str(problem)
