"""Shared file systems: edits that each trip one rule."""

from __future__ import annotations

from typing import Any

from tests.constructs.rules.relations.cases import trips


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
