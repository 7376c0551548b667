"""The job definitions that AWS Batch holds: looked up, listed, registered once."""

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
    """A definition that `--definition` takes."""

    definition: objects.Definition
    image: str
    user: str | None
    """Of its containers; None where that is the image's own."""
    own: bool
    """Whether it was registered by the project's people, not deployed."""


Listed = ListedDefinition
"""Former name, which hpc.cli.definitions imports."""


def with_own(environment: Environment, project: str, name: str | None, clients: Clients) -> Environment:
    """Return the environment with the definition of the project's own that is named, if it is one and is there."""
    prefix = objects.own_definition_name(environment.name, project, "")
    if name is None or not name.startswith(prefix):
        return environment
    found = max(_active(clients.batch, jobDefinitionName=name), key=lambda item: item["revision"], default=None)
    if found is None:
        return environment
    definitions = environment.definitions | {(project, name): custom_definition.as_published(found, project)}
    return replace(environment, definitions=definitions)


def find(spec: JobSpec, target: Target, clients: Clients) -> DefinitionFacts:
    """Ask AWS Batch for the definition that the request is derived from, and the registry for its image."""
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
    except image_registry.RegistryUnavailable as silent:
        if reference.digest is None:
            return DefinitionFacts(
                base=dict(base),
                complaint=f"--image {spec.image}: what the tag means is not to be learnt ({silent}); give the image by"
                f" digest: {reference.repository}@sha256:...",
            )
        note = f"--image {spec.image}: taken unseen, for its registry does not say what it is ({silent})"
        uri = f"{reference.repository}@{reference.digest}"
        return DefinitionFacts(base=dict(base), image=image_registry.Image(uri=uri), note=note)
    return DefinitionFacts(base=dict(base), image=image)


def register(batch: BatchClient, request: dict[str, Any]) -> str:
    """Return the ARN of the definition, registered now if there is none of this name that holds the same."""
    for found in _active(batch, jobDefinitionName=request["jobDefinitionName"]):
        if custom_definition.same(found, request):
            return found["jobDefinitionArn"]
    return batch.register_job_definition(**request)["jobDefinitionArn"]


def listed(environment: Environment, batch: BatchClient) -> Iterator[ListedDefinition]:
    """Yield the deployed definitions of all projects in their newest published revision, and those of their own."""
    deployed = {item.arn: item for item in environment.definitions.values()}
    prefixes = {objects.own_definition_name(environment.name, name, ""): name for name in environment.projects}
    seen = set[str]()
    for found in _active(batch):
        name, arn = found["jobDefinitionName"], found["jobDefinitionArn"]
        project = next((project for prefix, project in prefixes.items() if name.startswith(prefix)), None)
        published = deployed.get(arn)
        if published is None and (project is None or name in seen):
            continue
        seen.add(name)
        item = custom_definition.as_published(found, project or "")
        yield ListedDefinition(
            definition=published or item,
            image=item.image or "",
            user=custom_definition.user_of(found),
            own=published is None,
        )


def _active(batch: BatchClient, **criteria: Any) -> Iterator[dict[str, Any]]:
    """Yield active definitions, of one name the newest first."""
    pages = batch.get_paginator("describe_job_definitions").paginate(status="ACTIVE", **criteria)
    found: list[dict[str, Any]] = [dict(item) for page in pages for item in page["jobDefinitions"]]
    found = [item for item in found if custom_definition.is_readable(item)]
    yield from sorted(found, key=lambda item: (item["jobDefinitionName"], -item["revision"]))
