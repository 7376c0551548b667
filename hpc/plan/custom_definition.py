"""Custom job definitions: the project's, with another image or with secrets. Nothing here calls a service.

SubmitJob can override neither, so such a definition is registered under a name that contains a hash of its content, by
which it is found again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hpc.aws.image_registry import Image, Reference
from hpc.contract import objects
from hpc.request.batch_limits import MAX_DEFINITION_BYTES
from hpc.request.job_spec import JobSpec
from hpc.request.target import Target

_BASE_KEYS = (
    "type", "parameters", "containerProperties", "nodeProperties", "retryStrategy", "timeout", "propagateTags",
    "platformCapabilities", "schedulingPriority",
)  # fmt: skip
"""Keys that a custom definition takes from its base."""
_HASH = re.compile(r"_[0-9a-f]{16}$")


@dataclass(frozen=True, kw_only=True)
class DefinitionFacts:
    """Definition and image as AWS Batch and the registry report them, read before planning."""

    base: Mapping[str, Any]
    """The base definition, as DescribeJobDefinitions returns it."""
    image: Image | None = None
    """The requested image; None if none is requested or it was not found."""
    complaint: str | None = None
    """The reason for a missing image."""
    note: str | None = None
    """A note for the user that is not a complaint."""


def is_needed(spec: JobSpec) -> bool:
    """Return whether a request needs a custom definition."""
    return spec.image is not None or bool(spec.secrets)


def check(spec: JobSpec, target: Target, meta: objects.Meta) -> Iterator[str]:
    """Check `--image` and `--secret` without calling a service."""
    project = target.project
    where = f"projects.{project.name} of environments/{meta.environment}.yaml"
    if project.own_repository is None:
        flags = " and ".join(flag for flag, given in (("--image", spec.image), ("--secret", spec.secrets)) if given)
        yield (
            f"{flags}: project {project.name} does not allow custom job definitions; ask the platform team to add"
            f" `own_images: true` to {where}, deploy it, and attach the project's developer policy to your role"
        )
        return
    if spec.image is not None:
        yield from _check_reference("--image", spec.image, project, meta, where)
    elif target.definition.image is not None:
        flag = f"--secret with --definition {target.definition.name}, whose image is"
        yield from _check_reference(flag, target.definition.image, project, meta, where)
    listed = {objects.secret_of(arn) for arn in project.secrets}
    for name, arn in spec.secrets.items():
        if not arn.startswith("arn:"):  # perhaps the secret itself: never repeat it
            yield f"--secret {name}: give the full ARN of a Secrets Manager secret or an SSM parameter, not its value"
        elif objects.secret_of(arn) not in listed:
            yield (
                f"--secret {name}={arn}: project {project.name} may use {', '.join(project.secrets) or 'none'}; ask"
                f" the platform team to add it to `secrets: [{objects.secret_of(arn)}]` in {where}"
            )


def _check_reference(flag: str, image: str, project: objects.Project, meta: objects.Meta, where: str) -> Iterator[str]:
    reference = Reference.parse(image)
    if reference is None:
        yield (
            f"{flag} {image}: write registry/name:tag or registry/name@sha256:..., such as"
            f" {project.own_repository}:v1 or docker.io/library/python:3.13"
        )
        return
    sources = (project.own_repository, meta.repository, *project.image_sources)
    if not any(reference.repository == item or reference.repository.startswith(f"{item}/") for item in sources):
        yield (
            f"{flag} {image}: project {project.name} takes images of {', '.join(filter(None, sources))}; push it to"
            f" the first, or ask the platform team to add it to `image_sources: [{reference.repository}]` in {where}"
        )


def check_facts(facts: DefinitionFacts | None, target: Target, meta: objects.Meta) -> Iterator[str]:
    """Check the reported image; yield nothing if no service was called."""
    if facts and facts.complaint:
        yield facts.complaint
    if facts and facts.image:
        yield from _check_image(facts.image, target, meta)


def _check_image(image: Image, target: Target, meta: objects.Meta) -> Iterator[str]:
    needed = target.queue.architecture
    if needed and image.architectures and needed not in image.architectures:
        yield (
            f"--image {image.uri} is for {', '.join(image.architectures)}, the instances of queue"
            f" {target.queue.name} are {needed}; build it with --platform"
            f" linux/{'amd64' if needed == 'x86_64' else needed}, or choose another queue"
        )
    if image.entrypoint is not None and not any(word.rpartition("/")[2] == "hpc-node" for word in image.entrypoint):
        yield (
            f"--image {image.uri} starts {' '.join(image.entrypoint) or 'nothing'}, not hpc-node, which stages"
            " inputs and outputs and reports exit codes; begin its Dockerfile with FROM "
            f'{meta.image or meta.repository}, or install this runtime in it and set ENTRYPOINT ["hpc-node"]'
        )


def derive(spec: JobSpec, target: Target, environment: str, facts: DefinitionFacts) -> dict[str, Any]:
    """Return the RegisterJobDefinition request: the base with the image and the secrets, in the form that the project's
    developer policy requires (https://docs.aws.amazon.com/batch/latest/APIReference/API_RegisterJobDefinition.html)."""
    request = {key: _pruned(facts.base[key]) for key in _BASE_KEYS if facts.base.get(key) not in (None, {}, [])}
    uri = facts.image.uri if facts.image else None
    for container in _containers(request):
        container.update(_changes(container, uri, spec.secrets))
    request["tags"] = {objects.TAG_ENVIRONMENT: environment, objects.TAG_PROJECT: target.project.name}
    content = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:16]
    prefix = objects.own_definition_name(environment, target.project.name, "")
    base = _HASH.sub("", target.definition.name.removeprefix(prefix))
    return {"jobDefinitionName": f"{prefix}{base}_{content}", **request}


def check_size(request: dict[str, Any]) -> Iterator[str]:
    """Check the size of a RegisterJobDefinition request."""
    size = len(json.dumps(request))
    if size > MAX_DEFINITION_BYTES:
        yield (
            f"the job definition has {size:,} bytes, AWS Batch takes {MAX_DEFINITION_BYTES:,}; give fewer --secret,"
            " or one secret that holds several values as JSON"
        )


def with_definition(target: Target, request: dict[str, Any], facts: DefinitionFacts) -> Target:
    """Return the target with the definition that the request registers, referred to by name."""
    image = facts.image.uri if facts.image else target.definition.image
    return replace(target, definition=replace(target.definition, arn=request["jobDefinitionName"], image=image))


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two definitions run the same images with the same rights; equal names do not prove it."""
    left, right = ([_rights(item) for item in _containers(each)] for each in (one, other))
    return left == right


def _rights(container: Mapping[str, Any]) -> list[Any]:
    keys = ("image", "user", "privileged", "jobRoleArn", "executionRoleArn")
    secrets = {item["name"]: item["valueFrom"] for item in container.get("secrets") or ()}
    return [secrets, *(container.get(key) or None for key in keys)]


def _containers(definition: Mapping[str, Any]) -> list[dict[str, Any]]:
    if definition["type"] == "container":
        return [definition["containerProperties"]]
    return [item["container"] for item in definition["nodeProperties"]["nodeRangeProperties"]]


def as_published(described: Mapping[str, Any], project: str) -> objects.Definition:
    """Convert a definition of DescribeJobDefinitions to the contract's type, under its full name."""
    described = _pruned(described)
    container = _containers(described)[0]
    amounts = {item["type"]: int(item["value"]) for item in container.get("resourceRequirements", ())}
    devices: list[dict[str, str]] = container.get("linuxParameters", {}).get("devices", [])
    return objects.Definition(
        name=described["jobDefinitionName"],
        project=project,
        arn=described["jobDefinitionArn"],
        kind="multi-node" if described["type"] == "multinode" else "single",
        vcpus=amounts.get("VCPU") or int(container.get("vcpus") or 1),
        memory_mib=amounts.get("MEMORY") or int(container.get("memory") or 4),
        gpus=amounts.get("GPU", 0),
        timeout_s=described.get("timeout", {}).get("attemptDurationSeconds", 0),
        attempts=described.get("retryStrategy", {}).get("attempts", 1),
        efa_interfaces=sum(item["hostPath"].startswith("/dev/infiniband/") for item in devices),
        image=container["image"],
    )


def is_readable(described: Mapping[str, Any]) -> bool:
    """Return whether a definition has container properties; other clients may register ECS or EKS properties."""
    try:
        return all(_containers(described))
    except KeyError:
        return False


def user_of(described: Mapping[str, Any]) -> str | None:
    """Return the user of a definition's containers; None if it is the image's."""
    return _containers(described)[0].get("user") or None


def _changes(base: dict[str, Any], image: str | None, secrets: Mapping[str, str]) -> dict[str, Any]:
    arns = {item["name"]: item["valueFrom"] for item in base.get("secrets", ())} | dict(secrets)
    changes = {"image": image or base["image"], "user": objects.OWN_IMAGE_USER, "privileged": False}
    if arns:
        changes["secrets"] = [{"name": name, "valueFrom": arn} for name, arn in sorted(arns.items())]
    return changes


def _pruned(value: Any) -> Any:
    """Remove empty values, which DescribeJobDefinitions returns, at any depth."""
    if isinstance(value, dict):
        return {key: _pruned(item) for key, item in value.items() if item not in (None, {}, [])}  # pyright: ignore
    if isinstance(value, list):
        return [_pruned(item) for item in value]  # pyright: ignore
    return value
