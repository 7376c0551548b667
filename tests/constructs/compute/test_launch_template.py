"""Network interfaces and user data of instances."""

import base64
import email
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from hpc_constructs.compute.launch_template import INSTANCE_STORE, LaunchTemplate, efa_layout, user_data
from hpc_constructs.config import ComputeEnvironment
from hpc_constructs.config.checks.compute import LONGEST_USER_DATA
from hpc_constructs.instances import catalogue


@pytest.mark.parametrize(
    ("instance_type", "layout"),
    [
        ("c5n.18xlarge", [(0, 0, "efa")]),
        ("hpc6a.48xlarge", [(0, 0, "efa")]),
        ("hpc7a.96xlarge", [(0, 0, "efa"), (1, 1, "efa")]),
        ("c6in.32xlarge", [(0, 0, "efa"), (1, 1, "efa")]),
        ("i7ie.48xlarge", [(0, 0, "efa")]),
        ("p5.48xlarge", [(0, 0, "efa"), *((card, 1, "efa") for card in range(1, 32))]),
        ("p6-b300.48xlarge", [(0, 0, "interface"), *((card, 1, "efa") for card in range(1, 17))]),
        ("hpc6id.32xlarge", [(0, 0, "efa"), (1, 0, "efa")]),
    ],
)
def test_interfaces_of(instance_type: str, layout: list[tuple[int, int, str]]) -> None:
    interfaces = efa_layout(catalogue()[instance_type])
    assert [(item.card, item.device, item.type) for item in interfaces] == layout


def test_every_efa_type_gets_all_its_devices_within_the_slots_of_its_cards() -> None:
    for instance in catalogue().values():
        if not instance.efa_interfaces:
            continue
        interfaces = efa_layout(instance)
        assert sum(item.type == "efa" for item in interfaces) == instance.efa_interfaces
        assert all(item.device < instance.enis_per_card[item.card] for item in interfaces)
        assert sum((item.card, item.device) == (0, 0) for item in interfaces) == 1
        assert len({item.card for item in interfaces}) == len(interfaces)


def rendered(*scripts: str) -> str:
    stack = cdk.Stack(cdk.App(), "S")
    return stack.resolve(user_data(*scripts))["Fn::Base64"]


def flat(value: object) -> str:
    """Join and encode the parts as CloudFormation does."""
    match value:
        case str():
            return value
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(flat(part) for part in parts)  # type: ignore[union-attr]
        case {"Fn::Base64": inner}:
            return base64.b64encode(flat(inner).encode()).decode()
    raise AssertionError(value)


def test_user_data_is_a_mime_archive_of_shell_scripts() -> None:
    text = flat(rendered("echo one\n", "echo two\n"))
    assert text.startswith("Content-Type: multipart/mixed;")
    message = email.message_from_string(text)
    parts = message.get_payload()
    assert [part.get_content_type() for part in parts] == ["text/x-shellscript"] * 2  # type: ignore[union-attr]
    assert [part.get_payload(decode=True) for part in parts] == [  # type: ignore[union-attr]
        b"#!/bin/bash\necho one",
        b"#!/bin/bash\necho two",
    ]


def template(efa: str | None = None, **settings: Any) -> LaunchTemplate:
    return LaunchTemplate(
        cdk.Stack(cdk.App(), "S"),
        "T",
        settings=ComputeEnvironment(efa=efa is not None, **settings),
        tags={"Name": "x"},
        efa_instance=catalogue()[efa] if efa else None,
        efa_group_ids=["sg-1"] if efa else (),
    )


def test_the_content_hash_is_that_of_the_content() -> None:
    assert template().content_hash(None) == template().content_hash(None)
    templates = [
        template(),
        template(root_volume_gib=200),
        template(efa="c5n.18xlarge"),
        template(scratch="instance-store"),
        template(user_data=("echo hello",)),
    ]
    assert len({item.content_hash(None) for item in templates}) == len(templates)


def test_the_date_of_the_ami_refresh_is_in_the_hash() -> None:
    hashes = {template().content_hash(day) for day in (None, "2026-11-22", "2026-12-22")}
    assert len(hashes) == 3


def test_a_script_keeps_the_interpreter_that_it_names() -> None:
    text = flat(rendered("#!/usr/bin/python3\nprint(1)\n"))
    (part,) = email.message_from_string(text).get_payload()
    assert part.get_payload(decode=True) == b"#!/usr/bin/python3\nprint(1)"  # type: ignore[union-attr]


def test_the_longest_scripts_of_a_team_leave_room_for_batchs_own_part() -> None:
    """EC2 takes 16 KiB before its own encoding (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html),
    and Batch adds a script to join its cluster."""
    fullest = template(efa="p5.48xlarge", scratch="instance-store", user_data=("x" * LONGEST_USER_DATA,))
    data = cdk.Stack.of(fullest).resolve(fullest._data)["userData"]["Fn::Base64"]
    assert len(flat(data)) <= 16 * 1024 - 1024


@pytest.fixture
def host(tmp_path: Path) -> Callable[..., str]:
    """Return a function that runs the instance store script with tools that record their calls."""

    def run(disks: int, fails: str = "none") -> str:
        calls = tmp_path / "calls"
        lines = [f"/dev/nvme{number}n1 Amazon EC2 NVMe Instance Storage\n" for number in range(1, disks + 1)]
        (tmp_path / "disks").write_text("/dev/nvme0n1 Amazon Elastic Block Store\n" + "".join(lines))
        tools = {"lsblk": f"cat {tmp_path / 'disks'}"}
        for name in ("mdadm", "mkfs.xfs", "mount", "chmod", "logger"):
            tools[name] = f'echo "{name} $*" >> {calls}; test {name} != {fails}'
        for name, body in tools.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
            (tmp_path / name).chmod(0o755)
        path = f"{tmp_path}:/usr/bin:/bin"
        subprocess.run(["bash", "-c", INSTANCE_STORE], env={"PATH": path}, check=True)
        return calls.read_text()

    return run


def test_one_disk_is_mounted_as_it_is(host: Callable[..., str]) -> None:
    assert host(1).splitlines() == [
        "mkfs.xfs -q -f /dev/nvme1n1",
        "mount -o noatime /dev/nvme1n1 /scratch",
        "chmod 1777 /scratch",
    ]


def test_several_disks_become_one(host: Callable[..., str]) -> None:
    assert host(4).splitlines() == [
        "mdadm --create /dev/md/scratch --level=0 --raid-devices=4 --run /dev/nvme1n1 /dev/nvme2n1 /dev/nvme3n1"
        " /dev/nvme4n1",
        "mkfs.xfs -q -f /dev/md/scratch",
        "mount -o noatime /dev/md/scratch /scratch",
        "chmod 1777 /scratch",
    ]


def test_disks_that_cannot_be_joined_leave_one_and_a_line_in_the_log(host: Callable[..., str]) -> None:
    calls = host(2, fails="mdadm")
    assert "logger -t hpc scratch is one of 2 instance store volumes" in calls
    assert "mount -o noatime /dev/nvme1n1 /scratch" in calls


@pytest.mark.parametrize(("disks", "fails"), [(0, "none"), (1, "mkfs.xfs"), (1, "mount")])
def test_without_a_usable_disk_the_log_says_so(host: Callable[..., str], disks: int, fails: str) -> None:
    assert "logger -t hpc scratch is on the root volume" in host(disks, fails)
