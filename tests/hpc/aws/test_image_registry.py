from __future__ import annotations

from collections.abc import Iterator

import pytest

from hpc.aws.image_registry import Image, ImageNotFound, Reference, RegistryUnavailable, look_up
from tests.hpc.aws.tiny_registry import TinyRegistry, tiny_registry

NODE = ["hpc-node"]


@pytest.fixture
def registry() -> Iterator[TinyRegistry]:
    with tiny_registry() as made:
        yield made


def ask(text: str, architecture: str = "x86_64") -> Image:
    reference = Reference.parse(text)
    assert reference is not None

    def no_ecr(region: str) -> None:
        raise AssertionError(f"ECR in {region} was asked")

    return look_up(reference, architecture, no_ecr)


def test_a_tag_becomes_a_digest_and_architecture_and_entrypoint_are_told(registry: TinyRegistry) -> None:
    digest = registry.push("tools/solver", "v1", NODE, "amd64")
    image = ask(f"{registry.host}/tools/solver:v1")
    assert image == Image(
        uri=f"{registry.host}/tools/solver@{digest}", architectures=("x86_64",), entrypoint=("hpc-node",)
    )


def test_without_a_tag_it_is_latest(registry: TinyRegistry) -> None:
    digest = registry.push("tools/solver", "latest", NODE, "arm64")
    image = ask(f"{registry.host}/tools/solver")
    assert (image.uri, image.architectures) == (f"{registry.host}/tools/solver@{digest}", ("arm64",))


def test_an_image_for_several_architectures_tells_all_of_them(registry: TinyRegistry) -> None:
    digest = registry.push("tools/solver", "v1", NODE, "amd64", "arm64")
    image = ask(f"{registry.host}/tools/solver:v1", "arm64")
    assert image.uri.endswith(digest)
    assert image.architectures == ("x86_64", "arm64")
    assert image.entrypoint == ("hpc-node",)


def test_a_digest_is_looked_up_too(registry: TinyRegistry) -> None:
    digest = registry.push("tools/solver", "v1", NODE, "amd64")
    assert ask(f"{registry.host}/tools/solver@{digest}").uri.endswith(digest)


@pytest.mark.parametrize("reference", ["tools/solver:v2", f"tools/solver@sha256:{'0' * 64}", "tools/other:v1"])
def test_what_is_not_there_is_missing(registry: TinyRegistry, reference: str) -> None:
    registry.push("tools/solver", "v1", NODE, "amd64")
    with pytest.raises(ImageNotFound):
        ask(f"{registry.host}/{reference}")


def test_content_that_is_not_what_the_digest_says_is_refused(registry: TinyRegistry) -> None:
    digest = registry.push("tools/solver", "v1", NODE, "amd64")
    registry.content[f"tools/solver/manifests/{digest}"] += b" "
    with pytest.raises(RegistryUnavailable, match="something else"):
        ask(f"{registry.host}/tools/solver@{digest}")


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"{}", b'{"config": {"digest": 1}}'])
def test_what_is_no_manifest_is_no_answer(registry: TinyRegistry, content: bytes) -> None:
    registry.content["tools/solver/manifests/v1"] = content
    with pytest.raises(RegistryUnavailable):
        ask(f"{registry.host}/tools/solver:v1")


def test_a_registry_with_trouble_of_its_own_is_silent(registry: TinyRegistry) -> None:
    registry.broken = True
    with pytest.raises(RegistryUnavailable, match="503"):
        ask(f"{registry.host}/tools/solver:v1")


def test_where_nobody_listens_there_is_no_answer() -> None:
    with tiny_registry() as gone:
        host = gone.host
    with pytest.raises(RegistryUnavailable, match="refused"):
        ask(f"{host}/tools/solver:v1")


@pytest.mark.parametrize(
    "text",
    ["", "python", "python:3.13", "tools/solver", "a.b/c:v1:v2", "a.b/c@sha256:12", "a.b/C", "a.b/c d", "s3://a.b/c"],
)
def test_a_reference_names_its_registry(text: str) -> None:
    assert Reference.parse(text) is None


def test_a_reference_with_tag_and_digest_means_the_digest() -> None:
    reference = Reference.parse(f"docker.io/library/python:3.13@sha256:{'a' * 64}")
    assert reference == Reference("docker.io/library/python", "3.13", f"sha256:{'a' * 64}")
