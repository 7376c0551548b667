"""The configuration of an environment: what a platform team may say, with every default.

Words are those of the AWS services; sizes and times carry their unit in the name. The sets of compute environments,
queues and job definitions that exist without a word are in `defaults.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic.fields import FieldInfo

from hpc_constructs.config.field_types import (
    Matching,
    Model,
    Name,
    PolicyReference,
    Qualifier,
    TagKey,
    TagValue,
    digits,
    frozen,
    iso_date,
)
from hpc_constructs.config.resources import ComputeEnvironment, Definition, Project, Queue, Workflow
from hpc_constructs.config.settings import Data, FileSystem, Image, Logs, Network, Operations


class Environment(Model):
    """One environment: what `cdk deploy -c env=<name>` builds."""

    name: Annotated[
        str,
        Matching(
            r"^[a-z][a-z0-9-]{0,19}$", "a lower-case letter, then at most 19 lower-case letters, digits and hyphens"
        ),
    ]
    """Name of the file, without `.yaml`."""
    region: Annotated[str, Matching(r"^[a-z]{2}(-[a-z]+)+-[0-9]$", "a region such as us-east-1")] | None = None
    """Region to deploy to. Default: the one of the credentials."""
    account: Annotated[str, Matching(r"^[0-9]{12}$", "12 digits"), BeforeValidator(digits)] | None = None
    """Account to deploy to, 12 digits. Default: the one of the credentials."""
    ami_refresh: Annotated[str, AfterValidator(iso_date)] | None = None
    """Day of the last wish for new machine images, such as 2026-11-22. A new day replaces the instances of every
    compute environment by ones with the newest image. Default: images change only with another change of the compute
    environment's instances."""
    bootstrap_qualifier: Qualifier | None = None
    """Qualifier of the CDK's bootstrap stack in the account, where your organisation chose one. Default: the CDK's own,
    `hnb659fds`."""
    permissions_boundary: PolicyReference | None = None
    """Managed policy, by name or ARN, that bounds what every role of the environment can be given. Default: none."""
    termination_protection: bool = False
    """Whether CloudFormation refuses to delete the stacks until this is false and deployed."""
    tags: Annotated[Mapping[TagKey, TagValue], AfterValidator(frozen)] = Field(
        default_factory=lambda: MappingProxyType({}), max_length=40
    )
    """Tags of your own, such as `cost-center: 4711`, on everything that takes a new tag without being replaced, and on
    instances and volumes. A change of them replaces the instances of every compute environment. Activate them as cost
    allocation tags in the billing console."""
    removal: Literal["retain", "destroy"] = "retain"
    """What happens to the data bucket, the shared file system, the image repository and the log group when the stack is
    deleted."""
    network: Network = Network()
    image: Image = Image()
    logs: Logs = Logs()
    data: Data = Data()
    file_system: FileSystem | None = None
    """A file system that all jobs share. Default: none; jobs share files in the data bucket."""
    operations: Operations = Operations()
    projects: Annotated[Mapping[Name, Project], AfterValidator(frozen)] = Field(
        default_factory=lambda: MappingProxyType({"default": Project()}), min_length=1, max_length=20
    )
    """Projects by name; the first is the one that `hpc submit` takes when none is named."""
    compute_environments: Annotated[Mapping[Name, ComputeEnvironment], AfterValidator(frozen)] = Field(
        min_length=1, max_length=50
    )
    """Compute environments by name, added to those of `defaults.yaml`; `null` leaves one of those out."""
    queues: Annotated[Mapping[Name, Queue], AfterValidator(frozen)] = Field(min_length=1, max_length=50)
    """Job queues by name, likewise."""
    definitions: Annotated[Mapping[Name, Definition], AfterValidator(frozen)] = Field(min_length=1, max_length=50)
    """Job definitions by name, likewise."""

    def share_identifier(self, project: str) -> str:
        """Return what the jobs of a project count as in queues with fair share."""
        return self.projects[project].share_identifier or project.replace("-", "")

    def workflow_queues(self, workflow: Workflow) -> tuple[str, str]:
        """Return the single and the multi-node queue of a workflow; a check sees to it that there are such."""
        kinds: dict[str, str] = {}
        for name, queue in self.queues.items():
            kinds.setdefault(queue.kind, name)
        return workflow.queue or kinds["single"], workflow.multi_node_queue or kinds["multi-node"]

    @property
    def has_fair_share(self) -> bool:
        return any(queue.fair_share for queue in self.queues.values())

    @property
    def default_project(self) -> str:
        return next(iter(self.projects))


def inner_model(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model that a field holds, if it holds one."""
    kinds = [field.annotation, *get_args(field.annotation)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


SECTIONS_WITH_DEFAULTS = ("compute_environments", "queues", "definitions")
