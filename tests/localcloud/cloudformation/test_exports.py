"""Errors of CloudFormation about a value that another stack imports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.localcloud.cloudformation.test_cloudformation import Stack, ref

pytestmark = pytest.mark.slow


def exporting(name: str | None, value: Any = ref("Address")) -> dict[str, Any]:  # noqa: B008 - never changed
    return {} if name is None else {"Out": {"Value": value, "Export": {"Name": name}}}


def address(count: int = 1) -> dict[str, Any]:
    names = ["Address", "Other"][:count]
    return {name: {"Type": "AWS::EC2::EIP", "Properties": {"Domain": "vpc"}} for name in names}


def parameter(value: Any) -> dict[str, Any]:
    return {"Parameter": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}}}


@pytest.fixture
def export(world: Any) -> str:
    return world.unique("export")


@pytest.fixture
def pair(world: Any, wait: Any, export: str) -> Iterator[tuple[Stack, Stack]]:
    """A stack that exports an address, and one that imports it."""
    producer, consumer = Stack(world, wait), Stack(world, wait)
    assert producer.apply("create", address(), exporting(export)) == "CREATE_COMPLETE"
    assert consumer.apply("create", parameter({"Fn::ImportValue": export})) == "CREATE_COMPLETE"
    yield producer, consumer
    consumer.delete()
    producer.delete()


def exported(world: Any, name: str) -> list[str]:
    found = world.client("cloudformation").list_exports()["Exports"]
    return [item["Value"] for item in found if item["Name"] == name]


def test_an_export_in_use_is_not_taken_away(world: Any, pair: tuple[Stack, Stack], export: str) -> None:
    producer, consumer = pair
    assert producer.apply("update", address(2)) == "UPDATE_ROLLBACK_COMPLETE"
    assert f"Cannot delete export {export} as it is in use by {consumer.name}." in producer.reasons()
    assert exported(world, export)


def test_an_export_in_use_does_not_change(world: Any, pair: tuple[Stack, Stack], export: str) -> None:
    producer, consumer = pair
    before = exported(world, export)
    assert producer.apply("update", address(2), exporting(export, ref("Other"))) == "UPDATE_ROLLBACK_COMPLETE"
    assert f"Cannot update export {export} as it is in use by {consumer.name}." in producer.reasons()
    assert exported(world, export) == before


def test_what_the_others_import_may_stay_while_the_rest_changes(pair: tuple[Stack, Stack], export: str) -> None:
    assert pair[0].apply("update", address(2), exporting(export)) == "UPDATE_COMPLETE"


def test_a_stack_whose_export_is_in_use_is_not_deleted(pair: tuple[Stack, Stack], export: str, world: Any) -> None:
    producer, consumer = pair
    world.client("cloudformation").delete_stack(StackName=producer.name)
    assert producer.status() == "CREATE_COMPLETE"
    reason = f"Delete canceled. Cannot delete export {export} as it is in use by {consumer.name}."
    assert producer.reasons()[0] == reason
    assert exported(world, export)


def test_an_export_that_nobody_imports_any_more_goes(world: Any, pair: tuple[Stack, Stack], export: str) -> None:
    producer, consumer = pair
    assert consumer.apply("update", parameter("fixed")) == "UPDATE_COMPLETE"
    assert producer.apply("update", address(2)) == "UPDATE_COMPLETE"
    assert exported(world, export) == []
    late = parameter({"Fn::ImportValue": export})
    assert consumer.apply("update", late) == "UPDATE_ROLLBACK_COMPLETE"
    assert any(f"Export '{export}' not found" in reason for reason in consumer.reasons()), consumer.reasons()


def test_two_stacks_cannot_export_the_same_name(world: Any, wait: Any, pair: tuple[Stack, Stack], export: str) -> None:
    second = Stack(world, wait)
    assert second.apply("create", address(), exporting(export)) == "ROLLBACK_COMPLETE"
    assert f"Export with name {export} is already exported by stack {pair[0].name}." in second.reasons()
    second.delete()
    assert exported(world, export)
