"""`make push`: the image that was built here reaches the environment's repository, and is pinned by its digest."""

from __future__ import annotations

import pytest

from tests.container import support
from tests.end_to_end.support import Platform

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def image() -> str:
    return support.build()


def push(platform: Platform) -> tuple[str, str]:
    variables = {name: support.environment()[name] for name in ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF")}
    done = platform.deployment.attempt(
        "env", *(f"{name}={value}" for name, value in variables.items()), "make", "--silent", "push", "ENV=dev"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_its_digest_is_what_the_registry_says_and_what_the_configuration_takes(platform: Platform, image: str) -> None:
    printed, said = push(platform)
    digest = printed.removesuffix("\n")
    line = next(line for line in said.splitlines() if line.startswith("image:"))
    template = platform.deployment.cdk("synth", "HpcDevCompute", "--context", f"image_digest={digest}")
    assert f"@{digest}" in template
    assert line == f"image: {{digest: '{digest}'}}"


def test_a_second_push_sends_nothing_and_says_the_same(platform: Platform, image: str) -> None:
    first, _ = push(platform)
    second, said = push(platform)
    assert second == first
    assert "Copying" not in said


def test_what_is_pulled_is_what_was_built(platform: Platform, image: str) -> None:
    digest = push(platform)[0].strip()
    uri = platform.client("cloudformation").describe_stacks(StackName=platform.deployment.foundation_stack)
    outputs = {item["OutputKey"]: item["OutputValue"] for item in uri["Stacks"][0]["Outputs"]}
    where = f"{platform.cloud.url.removeprefix('http://')}/{outputs['RepositoryUri'].partition('/')[2]}@{digest}"
    pulled = support.run("pull", "--quiet", "--tls-verify=false", where).stdout.strip()
    built = support.run("image", "inspect", "--format", "{{.Id}}", image).stdout.strip()
    support.run("untag", pulled, where, check=False)
    assert pulled == built
