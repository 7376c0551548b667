"""The configuration model of an environment, with all defaults.

Terms are those of the AWS services; sizes and times have their unit in the name. The default compute environments,
queues and job definitions are in `defaults.yaml`.
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
    """One environment, as `cdk deploy -c env=<name>` deploys it."""

    name: Annotated[
        str,
        Matching(
            r"^[a-z][a-z0-9-]{0,19}$", "a lower-case letter, then at most 19 lower-case letters, digits and hyphens"
        ),
    ]
    """Name of the file, without `.yaml`."""
    region: Annotated[str, Matching(r"^[a-z]{2}(-[a-z]+)+-[0-9]$", "a region such as us-east-1")] | None = None
    """Region to deploy to. Default: that of the credentials."""
    account: Annotated[str, Matching(r"^[0-9]{12}$", "12 digits"), BeforeValidator(digits)] | None = None
    """Account to deploy to, 12 digits. Default: that of the credentials."""
    ami_refresh: Annotated[str, AfterValidator(iso_date)] | None = None
    """Date of the last requested AMI refresh, such as 2026-11-22. A new date replaces the instances of every compute
    environment with ones that run the newest image. Default: images change only together with another change of the
    compute environment's instances."""
    bootstrap_qualifier: Qualifier | None = None
    """Qualifier of the CDK's bootstrap stack in the account, if your organisation uses a custom one. Default: the
    CDK's default, `hnb659fds`."""
    permissions_boundary: PolicyReference | None = None
    """Managed policy, by name or ARN, used as permissions boundary of every role of the environment. Default: none."""
    termination_protection: bool = False
    """Make CloudFormation refuse to delete the stacks until this is set to false and deployed."""
    tags: Annotated[Mapping[TagKey, TagValue], AfterValidator(frozen)] = Field(
        default_factory=lambda: MappingProxyType({}), max_length=40
    )
    """Custom tags, such as `cost-center: 4711`, on every resource that can be tagged without replacement, and on
    instances and volumes. A change replaces the instances of every compute environment. Activate them as cost
    allocation tags in the billing console."""
    removal: Literal["retain", "destroy"] = "retain"
    """Removal policy of the data bucket, the shared file system, the image repository and the log group when the stack
    is deleted."""
    network: Network = Network()
    image: Image = Image()
    logs: Logs = Logs()
    data: Data = Data()
    file_system: FileSystem | None = None
    """File system that all jobs share. Default: none; jobs share files in the data bucket."""
    operations: Operations = Operations()
    projects: Annotated[Mapping[Name, Project], AfterValidator(frozen)] = Field(
        default_factory=lambda: MappingProxyType({"default": Project()}), min_length=1, max_length=20
    )
    """Projects by name; the first is the default of `hpc submit`."""
    compute_environments: Annotated[Mapping[Name, ComputeEnvironment], AfterValidator(frozen)] = Field(
        min_length=1, max_length=50
    )
    """Compute environments by name, in addition to those of `defaults.yaml`; `null` leaves one of those out."""
    queues: Annotated[Mapping[Name, Queue], AfterValidator(frozen)] = Field(min_length=1, max_length=50)
    """Job queues by name, likewise."""
    definitions: Annotated[Mapping[Name, Definition], AfterValidator(frozen)] = Field(min_length=1, max_length=50)
    """Job definitions by name, likewise."""

    def share_identifier(self, project: str) -> str:
        """Return the share identifier of a project's jobs."""
        return self.projects[project].share_identifier or project.replace("-", "")

    def workflow_queues(self, workflow: Workflow) -> tuple[str, str]:
        """Return the single and the multi-node queue of a workflow, which a check guarantees."""
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
