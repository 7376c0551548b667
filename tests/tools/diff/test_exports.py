"""What one stack takes from another."""

import copy
from typing import Any

from tools.diff.compare import compare
from tools.diff.model import Verdict

NAME = "Base:Subnet"
TWO: dict[str, Any] = {
    "Base": {
        "Resources": {"Subnet": {"Type": "AWS::EC2::Subnet", "Properties": {"CidrBlock": "10.0.0.0/24"}}},
        "Outputs": {"Subnet": {"Value": {"Ref": "Subnet"}, "Export": {"Name": NAME}}},
    },
    "Top": {
        "Resources": {
            "Target": {"Type": "AWS::EFS::MountTarget", "Properties": {"SubnetId": {"Fn::ImportValue": NAME}}}
        }
    },
}


def test_a_replacement_reaches_other_stacks_and_cannot_be_deployed_at_once() -> None:
    head = copy.deepcopy(TWO)
    head["Base"]["Resources"]["Subnet"]["Properties"]["CidrBlock"] = "10.0.1.0/24"
    found = compare(TWO, head)
    assert {(item.stack, item.logical_id, item.verdict) for item in found.changes} == {
        ("Base", "Subnet", Verdict.REPLACED),
        ("Top", "Target", Verdict.REPLACED),
    }
    (refusal,) = found.refusals
    assert refusal.reason == f"export {NAME} gets another value, and Top uses it"
    assert "two deployments" in refusal.way_out


def test_an_export_that_goes_with_its_use_needs_the_user_to_be_deployed_first() -> None:
    head = copy.deepcopy(TWO)
    del head["Base"]["Outputs"]
    del head["Top"]["Resources"]["Target"]
    (refusal,) = compare(TWO, head).refusals
    assert refusal.way_out.startswith("deploy Top first: cdk deploy Top --exclusively")


def test_an_export_that_goes_for_a_new_one_needs_two_deployments() -> None:
    head = copy.deepcopy(TWO)
    head["Base"]["Outputs"] = {"Other": {"Value": {"Ref": "Subnet"}, "Export": {"Name": "Base:Other"}}}
    head["Top"]["Resources"]["Target"]["Properties"]["SubnetId"] = {"Fn::ImportValue": "Base:Other"}
    (refusal,) = compare(TWO, head).refusals
    assert "Stack.export_value" in refusal.way_out


def test_an_export_that_nobody_uses_may_go() -> None:
    base = {"Base": copy.deepcopy(TWO["Base"])}
    head = copy.deepcopy(base)
    del head["Base"]["Outputs"]
    assert compare(base, head).refusals == ()


def test_a_stack_that_goes_must_be_destroyed_first() -> None:
    head = {"Base": copy.deepcopy(TWO["Base"])}
    del head["Base"]["Outputs"]
    (refusal,) = compare(TWO, head).refusals
    assert refusal.way_out == "destroy Top first"
