"""Containers that could not start, or not do their work."""

import pytest

from hpc_constructs.config import ConfigError, parse

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:license-AbCdEf"
DIGEST = "sha256:" + "0" * 64


def task(settings: str) -> str:
    return f"definitions: {{task: {{{settings}}}}}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (task(f"secrets: {{HPC_KEY: {SECRET}}}"), "'HPC_KEY' given; allowed: names that do not begin with AWS_, HPC_"),
        (task(f"secrets: {{A-B: {SECRET}}}"), "'A-B' given; allowed: a variable's name: letters, digits and _"),
        (task("secrets: {KEY: license}"), "definitions.task.secrets.KEY: 'license' given; allowed: the full ARN of a"),
        (task("tmpfs: {/tmp: 1600}"), "2112 MiB with /dev/shm given; allowed: at most the memory, 2048 MiB"),
        (task("tmpfs: {tmp: 16}"), "'tmp' given; allowed: an absolute path"),
        (task("tmpfs: {/tmp: 0}"), "definitions.task.tmpfs./tmp: 0 given; allowed: at least 1"),
        (task("read_only_root: true"), "true without a writable /tmp given"),
        (
            task("read_only_root: true, tmpfs: {/tmp: 16}, enable_execute_command: true"),
            "true with read_only_root: true given; allowed: one of the two",
        ),
        (task("ulimits: {files: 3}"), "'files' given; allowed: 'core', 'cpu'"),
        (task("ulimits: {nofile: -2}"), "-2 given; allowed: at least -1"),
        (
            task("image: python:3"),
            "'python:3' given; allowed: sha256: and 64 hexadecimal digits, optionally after registry/name@",
        ),
        (
            task(f"image: python@{DIGEST}"),
            "allowed: sha256: and 64 hexadecimal digits, optionally after registry/name@",
        ),
        (task("user: a b"), "'a b' given; allowed: user or user:group"),
        (
            "compute_environments: {spot: {instance_types: [c6id], scratch: instance-store}}\n"
            + task("tmpfs: {/scratch: 16}"),
            "/scratch, where the instance store is mounted given; allowed: other paths",
        ),
    ],
)
def test_is_refused(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, file="environments/x.yaml", name="x")
    (line,) = str(caught.value).splitlines()
    assert expected in line


@pytest.mark.parametrize(
    "settings",
    [
        f"secrets: {{KEY: '{SECRET}:json-key:AWSCURRENT:'}}",
        "secrets: {KEY: 'arn:aws-cn:ssm:cn-north-1:123456789012:parameter/a/b'}",
        "read_only_root: true, tmpfs: {/tmp: 16, /var/tmp: 16}",
        f"image: '{DIGEST}'",
        f"image: docker.io/library/python@{DIGEST}",
        f"image: localhost.local:5000/a/b_c@{DIGEST}",
        "user: nobody, ulimits: {stack: -1}",
    ],
)
def test_is_accepted(settings: str) -> None:
    assert parse(task(settings), file="environments/x.yaml", name="x").name == "x"
