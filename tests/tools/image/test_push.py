"""Where images are pushed to, and how the engine is logged in."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
from botocore.stub import Stubber

from tools.image import push
from tools.image.engine import Engine
from tools.image.push import Repository

URI = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hpc"
REPOSITORY = Repository(URI, "eu-central-1", "hpc")
PASSWORD = "a-token-of-ecr"

ENGINE = """#!/usr/bin/env python3
import json, os, pathlib, sys
stdin = "" if sys.stdin.isatty() else sys.stdin.read()
logins = os.environ.get("REGISTRY_AUTH_FILE")
call = {"arguments": sys.argv[1:], "stdin": stdin, "logins": logins, "there": bool(logins) and os.path.exists(logins)}
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps(call) + "\\n")
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An engine that writes down how it is called."""
    program = tmp_path / "podman"
    program.write_text(ENGINE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return tmp_path / "calls"


def send(calls: Path) -> list[dict[str, Any]]:
    ecr = boto3.client("ecr", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(ecr) as stub:
        token = base64.b64encode(f"AWS:{PASSWORD}".encode()).decode()
        stub.add_response("get_authorization_token", {"authorizationData": [{"authorizationToken": token}]})
        push._send(Engine("podman"), ecr, "localhost/hpc-batch:runtime", REPOSITORY, "0123456789ab")
    return [json.loads(line) for line in calls.read_text().splitlines()]


def test_the_password_goes_through_stdin_alone(calls: Path) -> None:
    login, *others = send(calls)
    assert login["arguments"] == ["login", "--username", "AWS", "--password-stdin", URI.partition("/")[0]]
    assert login["stdin"] == PASSWORD
    assert PASSWORD not in json.dumps([login["arguments"], others])


def test_the_login_ends_with_the_push(calls: Path) -> None:
    for call in send(calls):
        assert call["there"]
        assert not Path(call["logins"]).exists()


def test_the_image_goes_to_the_repository_over_tls(calls: Path) -> None:
    target = f"{URI}:0123456789ab"
    assert [call["arguments"] for call in send(calls)[1:]] == [
        ["tag", "localhost/hpc-batch:runtime", target],
        ["push", target],
        ["rmi", target],
    ]


@pytest.mark.parametrize(
    ("endpoint", "registry"),
    [
        ("http://127.0.0.1:4566", "127.0.0.1:4566"),
        ("http://localhost:4566", "localhost:4566"),
        ("https://127.0.0.1:4566", None),
        ("http://10.0.0.1:4566", None),
        ("http://example.org", None),
        ("", None),
    ],
)
def test_tls_is_left_out_on_this_machine_alone(
    endpoint: str, registry: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert push._loopback_registry() == registry


def test_an_image_that_was_not_built_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "podman").write_text("#!/bin/sh\nexit 125\n")
    (tmp_path / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(click.ClickException, match="podman has no image localhost/hpc-batch:runtime: build it by make"):
        push.push(Engine("podman"), "localhost/hpc-batch:runtime", "dev")
