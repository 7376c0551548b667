"""Job definitions in AWS Batch: found, listed, and each registered once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpc.aws import image_registry
from hpc.aws.clients import Clients
from hpc.aws.environment import Environment
from hpc.contract import objects
from hpc.plan import custom_definition
from hpc.plan.custom_definition import DefinitionFacts
from hpc.request.job_spec import JobSpec
from hpc.request.target import Target

if TYPE_CHECKING:
    from types_boto3_batch.client import BatchClient


@dataclass(frozen=True, kw_only=True)
class ListedDefinition:
    """A job definition that `--definition` accepts."""

    definition: objects.Definition
    image: str
    user: str | None
    """User of its containers; None if it is the image's."""
    own: bool
    """True if users of the project registered it, false if it was deployed."""


def with_own(environment: Environment, project: str, name: str | None, clients: Clients) -> Environment:
    """Return the environment with the named definition added, if users of the project registered it."""
    prefix = objects.own_definition_name(environment.name, project, "")
    if name is None or not name.startswith(prefix):
        return environment
    newest = max(_active(clients.batch, jobDefinitionName=name), key=lambda item: item["revision"], default=None)
    if newest is None:
        return environment
    definitions = environment.definitions | {(project, name): custom_definition.as_published(newest, project)}
    return replace(environment, definitions=definitions)


def find(spec: JobSpec, target: Target, clients: Clients) -> DefinitionFacts:
    """Read the base definition from AWS Batch, and the requested image from its registry."""
    (base,) = clients.batch.describe_job_definitions(jobDefinitions=[target.definition.arn])["jobDefinitions"]
    reference = image_registry.Reference.parse(spec.image) if spec.image else None
    if reference is None:
        return DefinitionFacts(base=dict(base))
    try:
        image = image_registry.look_up(reference, target.queue.architecture, clients.ecr)
    except image_registry.ImageNotFound:
        return DefinitionFacts(
            base=dict(base),
            complaint=f"--image {spec.image}: {reference.registry} has no such image; push it, or correct the name",
        )
    except image_registry.RegistryUnavailable as error:
        if reference.digest is None:
            return DefinitionFacts(
                base=dict(base),
                complaint=f"--image {spec.image}: the tag cannot be resolved ({error}); give the image by"
                f" digest: {reference.repository}@sha256:...",
            )
        note = f"--image {spec.image}: not verified, since its registry gave no answer ({error})"
        uri = f"{reference.repository}@{reference.digest}"
        return DefinitionFacts(base=dict(base), image=image_registry.Image(uri=uri), note=note)
    return DefinitionFacts(base=dict(base), image=image)


def register(batch: BatchClient, request: dict[str, Any]) -> str:
    """Return the ARN of a definition, registering it unless one with this name and the same content exists."""
    for existing in _active(batch, jobDefinitionName=request["jobDefinitionName"]):
        if custom_definition.same(existing, request):
            return existing["jobDefinitionArn"]
    return batch.register_job_definition(**request)["jobDefinitionArn"]


def listed(environment: Environment, batch: BatchClient) -> Iterator[ListedDefinition]:
    """Yield the deployed definitions of all projects, in the published revision, and those that users registered."""
    deployed = {item.arn: item for item in environment.definitions.values()}
    prefixes = {objects.own_definition_name(environment.name, name, ""): name for name in environment.projects}
    seen = set[str]()
    for described in _active(batch):
        name, arn = described["jobDefinitionName"], described["jobDefinitionArn"]
        project = next((project for prefix, project in prefixes.items() if name.startswith(prefix)), None)
        published = deployed.get(arn)
        if published is None and (project is None or name in seen):
            continue
        seen.add(name)
        item = custom_definition.as_published(described, project or "")
        yield ListedDefinition(
            definition=published or item,
            image=item.image or "",
            user=custom_definition.user_of(described),
            own=published is None,
        )


def _active(batch: BatchClient, **criteria: Any) -> Iterator[dict[str, Any]]:
    """Yield active definitions, sorted by name, then the newest revision first."""
    pages = batch.get_paginator("describe_job_definitions").paginate(status="ACTIVE", **criteria)
    active: list[dict[str, Any]] = [dict(item) for page in pages for item in page["jobDefinitions"]]
    readable = [item for item in active if custom_definition.is_readable(item)]
    yield from sorted(readable, key=lambda item: (item["jobDefinitionName"], -item["revision"]))
