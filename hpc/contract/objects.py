"""The names that cross a border, once.

The stacks write this contract, the runtime reads it, the container obeys it and the tests hold all three to it.
Standard library only: the container imports it before the user's command starts.

An environment publishes itself as SSM parameters, one per object, because a parameter holds 4 KB
(https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html)::

    /hpc/<environment>/meta
    /hpc/<environment>/queues/<queue>
    /hpc/<environment>/projects/<project>
    /hpc/<environment>/definitions/<project>/<definition>
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

SSM_ROOT = "/hpc"

Kind = Literal["single", "multi-node"]
KINDS: tuple[str, ...] = get_args(Kind)


DEFAULT_QUEUES: dict[Kind, str] = {"single": "loosely-coupled", "multi-node": "tightly-coupled"}
"""Which queue `hpc submit` takes when none is named and the environment has several of the kind."""


OWN_IMAGE_USER = "1000"
"""User that a job definition with an image of one's own must name: no root, and the one of `container/Dockerfile`."""


ECR_PATTERN = r"([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^@]+)"
"""Account, region and repository of an image, or of a repository itself, in a private registry of ECR."""


def secret_of(arn: str) -> str:
    """Return a secret's ARN without the JSON key, version stage and version id that may stand behind its name."""
    return ":".join(arn.split(":")[:7]) if ":secretsmanager:" in arn else arn


def own_definition_name(environment: str, project: str, name: str) -> str:
    """Return what Batch calls a job definition that a project's developer registers, or all that begin so.

    Underscores, which no name of an environment or a project holds: with hyphens, the definitions of project `a-b`
    would begin like those of project `a`.
    """
    return f"hpc_{environment}_{project}_{name}"


def parameter_name(environment: str, *parts: str) -> str:
    """Return the SSM parameter name of an object: `parameter_name("dev", "queues", "on-demand")`."""
    return "/".join((SSM_ROOT, environment, *parts))


TAG_ENVIRONMENT = "hpc:environment"
TAG_PROJECT = "hpc:project"
TAG_RUN = "hpc:run"
TAG_USER = "hpc:user"


@dataclass(frozen=True, kw_only=True)
class Meta:
    """What holds for the whole environment."""

    version: str
    environment: str
    bucket: str
    log_group: str
    repository: str
    """URI of the ECR repository, without tag."""
    image: str | None
    """URI of the image that the definitions run, pinned by digest; None until one has been pushed."""
    default_project: str


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The most that one job (one node of a multi-node job) can get on one instance type."""

    instance_type: str
    vcpus: int
    memory_mib: int
    """What is left for jobs of the type's memory, not its nominal size."""
    gpus: int = 0


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A job queue and the limits that its compute environments set."""

    name: str
    arn: str
    kind: Kind
    definition: str
    """Name of the definition that `hpc submit` takes when none is named."""
    shapes: tuple[Shape, ...]
    """The largest instances of the queue; every other instance fits into one of them."""
    max_vcpus: int
    """Sum of maxvCpus over the queue's compute environments."""
    spot: bool
    """Whether a job may run on Spot instances, and be interrupted."""
    efa_interfaces: int
    """EFA devices on each instance; 0 where there is no EFA."""
    fair_share: bool
    architecture: str | None = None
    """Of its instances: `x86_64` or `arm64`; None where an older version published the queue."""

    @property
    def max_nodes(self) -> int:
        """Nodes of the largest multi-node job: a node takes a whole instance
        (https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html)."""
        return self.max_vcpus // min(shape.vcpus for shape in self.shapes)


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A job definition of a project."""

    name: str
    project: str
    arn: str
    """With revision, as deployed."""
    kind: Kind
    vcpus: int
    memory_mib: int
    gpus: int
    timeout_s: int
    attempts: int
    efa_interfaces: int = 0
    """EFA devices that its container needs on the instance."""
    image: str | None = None
    """URI of its own image, pinned by digest; None where it runs the environment's."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """A group of researchers with a prefix in the data bucket, a job role and definitions of its own."""

    name: str
    read_buckets: tuple[str, ...] = ()
    share_identifier: str | None = None
    """What its jobs count as in queues with fair share; None where no queue has one."""
    own_repository: str | None = None
    """URI of the repository, without tag, for images of its own; None where it may not bring any."""
    image_sources: tuple[str, ...] = ()
    """Where its own images may come from besides: repositories, or folders of repositories."""
    secrets: tuple[str, ...] = ()
    """ARNs in Secrets Manager and Parameter Store that its job definitions may hand to containers as variables."""


@dataclass(frozen=True, kw_only=True)
class Instance:
    """The instance on which a job runs, as it tells of itself in `HOST_INSTANCE`."""

    instance_id: str
    instance_type: str
    zone: str
    zone_id: str
    region: str
    purchasing: str
    """`spot` or `on-demand`."""
    image_id: str


T = TypeVar("T", Meta, Queue, Definition, Project, Instance)


def to_json(item: Meta | Queue | Definition | Project) -> dict[str, Any]:
    """Return what is stored in the item's parameter."""
    return dataclasses.asdict(item)


def from_json(kind: type[T], text: str) -> T:
    """Read a parameter's value; keys that this version does not know are ignored (a higher minor adds them).

    Raises:
        ValueError: the text is not what the contract says; the message names the key.
    """
    raw = json.loads(text)
    names = {field.name for field in dataclasses.fields(kind)}
    known = {key: value for key, value in raw.items() if key in names}
    for key, value in known.items():
        if isinstance(value, list):
            known[key] = tuple(value)  # pyright: ignore[reportUnknownArgumentType]
    if "shapes" in known:
        known["shapes"] = tuple(Shape(**shape) for shape in known["shapes"])
    try:
        return kind(**known)
    except TypeError as error:
        raise ValueError(f"{kind.__name__.lower()} of the contract: {error}") from None
