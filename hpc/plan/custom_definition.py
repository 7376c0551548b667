"""A job definition of one's own: the project's, with another image or with secrets. Nothing here calls a service.

Neither can be said to SubmitJob, so it is registered under a name that says what it holds, and found again by it.
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

_KEPT = (
    "type", "parameters", "containerProperties", "nodeProperties", "retryStrategy", "timeout", "propagateTags",
    "platformCapabilities", "schedulingPriority",
)  # fmt: skip
"""What a new definition takes over from the one that it is derived from."""
_HASH = re.compile(r"_[0-9a-f]{16}$")


@dataclass(frozen=True, kw_only=True)
class DefinitionFacts:
    """What the services say of it, before anything is planned."""

    base: Mapping[str, Any]
    """The definition that it is derived from, as DescribeJobDefinitions shows it."""
    image: Image | None = None
    """What the registry says of the image that is asked for; None if it is not, or not there."""
    complaint: str | None = None
    """Why there is no image."""
    note: str | None = None
    """What people should know that is no complaint."""


def is_needed(spec: JobSpec) -> bool:
    return spec.image is not None or bool(spec.secrets)


def check(spec: JobSpec, target: Target, meta: objects.Meta) -> Iterator[str]:
    """Yield what is wrong with `--image` and `--secret` whatever a service says."""
    project = target.project
    where = f"projects.{project.name} of environments/{meta.environment}.yaml"
    if project.own_repository is None:
        flags = " and ".join(flag for flag, given in (("--image", spec.image), ("--secret", spec.secrets)) if given)
        yield (
            f"{flags}: project {project.name} has no job definitions of its own; the platform team adds"
            f" `own_images: true` to {where}, deploys it, and attaches the project's developer policy to your role"
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
                f"--secret {name}={arn}: project {project.name} may use {', '.join(project.secrets) or 'none'}; the"
                f" platform team adds it to `secrets: [{objects.secret_of(arn)}]` in {where}"
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
            f" the first, or the platform team adds it to `image_sources: [{reference.repository}]` in {where}"
        )


def check_facts(facts: DefinitionFacts | None, target: Target, meta: objects.Meta) -> Iterator[str]:
    """Yield why the image cannot be used, as far as the registry reports; nothing where no service was asked."""
    if facts and facts.complaint:
        yield facts.complaint
    if facts and facts.image:
        yield from _check_image(facts.image, target, meta)


def _check_image(image: Image, target: Target, meta: objects.Meta) -> Iterator[str]:
    wanted = target.queue.architecture
    if wanted and image.architectures and wanted not in image.architectures:
        yield (
            f"--image {image.uri} is for {', '.join(image.architectures)}, the instances of queue"
            f" {target.queue.name} are {wanted}; build it with --platform"
            f" linux/{'amd64' if wanted == 'x86_64' else wanted}, or choose another queue"
        )
    if image.entrypoint is not None and not any(word.rpartition("/")[2] == "hpc-node" for word in image.entrypoint):
        yield (
            f"--image {image.uri} starts {' '.join(image.entrypoint) or 'nothing'}, not hpc-node, which brings inputs,"
            " outputs and exit codes; begin its Dockerfile with FROM "
            f'{meta.image or meta.repository}, or install this runtime in it and set ENTRYPOINT ["hpc-node"]'
        )


def derive(spec: JobSpec, target: Target, environment: str, found: DefinitionFacts) -> dict[str, Any]:
    """Return the RegisterJobDefinition request: the base with the image and the secrets, as the project's developer
    policy demands it (https://docs.aws.amazon.com/batch/latest/APIReference/API_RegisterJobDefinition.html)."""
    request = {key: _pruned(found.base[key]) for key in _KEPT if found.base.get(key) not in (None, {}, [])}
    uri = found.image.uri if found.image else None
    for container in _containers(request):
        container.update(_changes(container, uri, spec.secrets))
    request["tags"] = {objects.TAG_ENVIRONMENT: environment, objects.TAG_PROJECT: target.project.name}
    content = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:16]
    prefix = objects.own_definition_name(environment, target.project.name, "")
    base = _HASH.sub("", target.definition.name.removeprefix(prefix))
    return {"jobDefinitionName": f"{prefix}{base}_{content}", **request}


def check_size(request: dict[str, Any]) -> Iterator[str]:
    size = len(json.dumps(request))
    if size > MAX_DEFINITION_BYTES:
        yield (
            f"the job definition is {size:,} bytes long, AWS Batch takes {MAX_DEFINITION_BYTES:,}; give fewer --secret,"
            " or name one secret that holds several values as JSON"
        )


def with_definition(target: Target, request: dict[str, Any], found: DefinitionFacts) -> Target:
    """Return the target with the definition that the request registers, under its name."""
    image = found.image.uri if found.image else target.definition.image
    return replace(target, definition=replace(target.definition, arn=request["jobDefinitionName"], image=image))


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two definitions run the same images with the same rights: a name can be given to anything."""
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
    """Return a definition that DescribeJobDefinitions shows as the contract has it, under its full name."""
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
    """Whether it is of the kind that is deployed here; other clients may register ECS or EKS properties."""
    try:
        return all(_containers(described))
    except KeyError:
        return False


def user_of(described: Mapping[str, Any]) -> str | None:
    """Return the user of its containers; None where that is the image's own."""
    return _containers(described)[0].get("user") or None


def _changes(base: dict[str, Any], image: str | None, secrets: Mapping[str, str]) -> dict[str, Any]:
    kept = {item["name"]: item["valueFrom"] for item in base.get("secrets", ())} | dict(secrets)
    changes = {"image": image or base["image"], "user": objects.OWN_IMAGE_USER, "privileged": False}
    if kept:
        changes["secrets"] = [{"name": name, "valueFrom": arn} for name, arn in sorted(kept.items())]
    return changes


def _pruned(value: Any) -> Any:
    """Leave out what DescribeJobDefinitions shows empty, at any depth."""
    if isinstance(value, dict):
        return {key: _pruned(item) for key, item in value.items() if item not in (None, {}, [])}  # pyright: ignore
    if isinstance(value, list):
        return [_pruned(item) for item in value]  # pyright: ignore
    return value
