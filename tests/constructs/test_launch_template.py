"""Network interfaces and user data of instances."""

import base64
import email

import aws_cdk as cdk
import pytest

from hpc_constructs.instances import catalogue
from hpc_constructs.launch_template import LaunchTemplate, efa_layout, user_data


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
    """Do what CloudFormation does with the parts: join them, encode those that ask for it."""
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


def template(size_gib: int = 100, efa: str | None = None) -> LaunchTemplate:
    return LaunchTemplate(
        cdk.Stack(cdk.App(), "S"),
        "T",
        root_volume_gib=size_gib,
        tags={"Name": "x"},
        efa_instance=catalogue()[efa] if efa else None,
        efa_group_ids=["sg-1"] if efa else (),
    )


def test_the_content_hash_is_that_of_the_content() -> None:
    assert template().content_hash == template().content_hash
    hashes = {item.content_hash for item in (template(), template(200), template(efa="c5n.18xlarge"))}
    assert len(hashes) == 3
