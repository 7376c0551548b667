"""Names shared by stacks, client and container, and the objects that an environment publishes.

The stacks write the objects, the client reads them, and the tests check both against this module.
Standard library only: the container imports it before the user's command starts.

An environment publishes itself as SSM parameters, one per object, since a parameter is limited to 4 KB
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
"""Prefix of the names of all published parameters."""

Kind = Literal["single", "multi-node"]
"""Type of the jobs that a queue or a job definition is for."""
KINDS: tuple[str, ...] = get_args(Kind)


DEFAULT_QUEUES: dict[Kind, str] = {"single": "loosely-coupled", "multi-node": "tightly-coupled"}
"""Default queue of `hpc submit` per kind, if the environment has several of that kind."""


OWN_IMAGE_USER = "1000"
"""User that a job definition with a custom image must set: not root, and the same as in `container/Dockerfile`."""


ECR_PATTERN = r"([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^@]+)"
"""Account, Region and repository name in the URI of a private ECR image or repository."""


def secret_of(arn: str) -> str:
    """Return a secret's ARN without the JSON key, version stage and version id that may follow its name."""
    return ":".join(arn.split(":")[:7]) if ":secretsmanager:" in arn else arn


def own_definition_name(environment: str, project: str, name: str) -> str:
    """Return the Batch name of a custom job definition, or the common prefix of several.

    The separator is an underscore, which names of environments and projects cannot contain: with hyphens, the
    definitions of project `a-b` would share the prefix of project `a`.
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
    """Facts about the whole environment."""

    version: str
    """Contract that the environment was deployed with."""
    environment: str
    bucket: str
    log_group: str
    repository: str
    """URI of the ECR repository, without tag."""
    image: str | None
    """URI of the image that the definitions run, pinned by digest; None until an image has been pushed."""
    default_project: str


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Resources that one job, or one node of a multi-node job, can use at most on one instance type."""

    instance_type: str
    vcpus: int
    memory_mib: int
    """Memory that is available to jobs, not the type's nominal size."""
    gpus: int = 0


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A job queue and the limits that its compute environments set."""

    name: str
    arn: str
    kind: Kind
    definition: str
    """Name of the default definition of `hpc submit`."""
    shapes: tuple[Shape, ...]
    """The largest instance types of the queue; every other type fits into one of them."""
    max_vcpus: int
    """Sum of maxvCpus over the queue's compute environments."""
    spot: bool
    """True if jobs may run on Spot Instances, and so may be interrupted."""
    efa_interfaces: int
    """Number of EFA devices on each instance; 0 without EFA."""
    fair_share: bool
    architecture: str | None = None
    """CPU architecture of the instances: `x86_64` or `arm64`; None if an older version published the queue."""

    @property
    def max_nodes(self) -> int:
        """Nodes of the largest multi-node job. Each node takes a whole instance
        (https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html)."""
        return self.max_vcpus // min(shape.vcpus for shape in self.shapes)


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A job definition of a project."""

    name: str
    project: str
    arn: str
    """ARN with revision, as deployed."""
    kind: Kind
    vcpus: int
    memory_mib: int
    gpus: int
    timeout_s: int
    attempts: int
    efa_interfaces: int = 0
    """Number of EFA devices that its container needs."""
    image: str | None = None
    """URI of a custom image, pinned by digest; None if it runs the environment's image."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """A group of researchers with a dedicated prefix in the data bucket, job role and job definitions."""

    name: str
    read_buckets: tuple[str, ...] = ()
    """Further buckets that its jobs may read."""
    share_identifier: str | None = None
    """Share identifier of its jobs in fair-share queues; None if the environment has no such queue."""
    own_repository: str | None = None
    """URI, without tag, of the repository for its custom images; None if it may not use any."""
    image_sources: tuple[str, ...] = ()
    """Further repositories, or prefixes of repository names, from which its custom images may come."""
    secrets: tuple[str, ...] = ()
    """ARNs in Secrets Manager and Parameter Store that its job definitions may pass to containers as variables."""


@dataclass(frozen=True, kw_only=True)
class Instance:
    """The instance that a job runs on, as described in `HOST_INSTANCE`."""

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
    """Return the JSON value of the item's parameter."""
    return dataclasses.asdict(item)


def from_json(kind: type[T], text: str) -> T:
    """Read a parameter's value; unknown keys are ignored, since a higher minor adds keys.

    Raises:
        ValueError: the text does not match the contract; the message names the key.
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
