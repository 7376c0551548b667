"""Shared file systems: each rule is tripped by an edit of the good templates, and no other rule is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hpc_constructs.rules.relations import file_systems
from tests.constructs.rules.relations.cases import Cases

CASES = Cases(file_systems)
trips = CASES.trips


@trips("HPC055")
def zone_without_a_mount_target(edit: Any) -> None:
    edit.remove("AWS::EFS::MountTarget", "MountTarget1")


@trips("HPC056")
def mount_target_that_admits_nobody(edit: Any) -> None:
    edit.remove("AWS::EC2::SecurityGroupIngress", "SharedGroup")


@trips("HPC056")
def mount_target_that_admits_another_port(edit: Any) -> None:
    edit.properties("AWS::EC2::SecurityGroupIngress", "SharedGroup").update(FromPort=111, ToPort=111)


@trips("HPC064")
def file_system_without_a_policy(edit: Any) -> None:
    del edit.properties("AWS::EFS::FileSystem")["FileSystemPolicy"]


@trips("HPC064")
def file_system_in_plain_text(edit: Any) -> None:
    del edit.properties("AWS::EFS::FileSystem")["FileSystemPolicy"]["Statement"][0]


@CASES.each
def test_an_edit_trips_exactly_its_rule(
    rule: str, spoil: Callable[[Any], Any], edit: Any, found: Callable[[Any], set[str]]
) -> None:
    spoil(edit)
    assert found(edit) == {rule}


def test_every_rule_has_a_case() -> None:
    assert CASES.complete()
