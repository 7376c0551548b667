"""Model of the templates in terms of AWS Batch: compute environments, queues, and the queues' job definitions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from hpc.contract import objects
from hpc_constructs.instances import InstanceType, UnknownInstanceTypeError, expand, expand_all
from hpc_constructs.rules.templates import Properties, Resource, Templates, listed

EFA_KINDS = ("efa", "efa-only")


@dataclass(frozen=True, eq=False)
class ComputeEnvironment:
    """A managed compute environment on EC2, and its launch template."""

    resource: Resource
    templates: Templates

    @property
    def settings(self) -> Properties:
        return self.resource.properties.get("ComputeResources", {})

    @property
    def spot(self) -> bool:
        return self.settings.get("Type") == "SPOT"

    @property
    def type_names(self) -> list[str]:
        return [name for name in self.settings.get("InstanceTypes", []) if isinstance(name, str)]

    @cached_property
    def types(self) -> tuple[InstanceType, ...]:
        """The instance types, without unknown names."""
        return expand_all(name for name in self.type_names if _known(name))

    @cached_property
    def launch_template(self) -> Resource | None:
        specification = self.settings.get("LaunchTemplate", {})
        named = specification.get("LaunchTemplateId") or specification.get("LaunchTemplateName")
        return self.templates.find(named, self.resource.template)

    @property
    def launch_data(self) -> Properties:
        return self.launch_template.properties.get("LaunchTemplateData", {}) if self.launch_template else {}

    @property
    def interfaces(self) -> list[Properties]:
        return self.launch_data.get("NetworkInterfaces", [])

    @property
    def efa_interfaces(self) -> list[Properties]:
        return [item for item in self.interfaces if item.get("InterfaceType") in EFA_KINDS]

    @cached_property
    def subnets(self) -> list[Resource]:
        """Subnets in the templates, which those of an existing VPC are not."""
        return self.templates.find_all(self.settings.get("Subnets"), self.resource.template)

    @cached_property
    def groups(self) -> list[Resource]:
        """Security groups of the instances, from the environment or from the interfaces."""
        groups = self.templates.find_all(self.settings.get("SecurityGroupIds"), self.resource.template)
        return [*groups, *self.interface_groups]

    @cached_property
    def interface_groups(self) -> list[Resource]:
        if self.launch_template is None:
            return []
        values = [value for item in self.interfaces for value in listed(item.get("Groups"))]
        found = self.templates.find_all(values, self.launch_template.template)
        return list({(item.template, item.logical_id): item for item in found}.values())

    @cached_property
    def instance_role(self) -> Resource | None:
        profile = self.templates.find(self.settings.get("InstanceRole"), self.resource.template)
        if profile is None or profile.type != "AWS::IAM::InstanceProfile":
            return None
        roles = self.templates.find_all(profile.properties.get("Roles"), profile.template)
        return roles[0] if roles else None

    @property
    def max_vcpus(self) -> int:
        return int(self.settings.get("MaxvCpus", 0))


@dataclass(frozen=True, eq=False)
class Container:
    """The container of a job definition, or of a node range in it."""

    definition: Resource
    path: str
    settings: Properties

    def amount(self, kind: str) -> int:
        """Return the requested amount of VCPU, MEMORY (MiB) or GPU."""
        for item in self.settings.get("ResourceRequirements", []):
            if item.get("Type") == kind:
                return int(item["Value"])
        return 0

    @property
    def efa_devices(self) -> list[str]:
        devices = self.settings.get("LinuxParameters", {}).get("Devices", [])
        return [item["HostPath"] for item in devices if item.get("HostPath", "").startswith("/dev/infiniband/uverbs")]


@dataclass(frozen=True, eq=False)
class Queue:
    """A job queue, as the contract publishes it."""

    resource: Resource
    kind: str | None
    """`single` or `multi-node`; None if the queue is not published."""
    fair_share: bool
    compute_environments: tuple[ComputeEnvironment, ...]
    definitions: tuple[Resource, ...]
    """The queue's default definition, in every project."""

    @property
    def types(self) -> tuple[InstanceType, ...]:
        return expand_all(kind.name for item in self.compute_environments for kind in item.types)


class Platform:
    """Resources that the rules check."""

    def __init__(self, templates: Templates) -> None:
        self.templates = templates

    @cached_property
    def compute_environments(self) -> list[ComputeEnvironment]:
        return [
            ComputeEnvironment(item, self.templates)
            for item in self.templates.of("AWS::Batch::ComputeEnvironment")
            if item.properties.get("ComputeResources", {}).get("Type") in {"EC2", "SPOT"}
        ]

    @cached_property
    def queues(self) -> list[Queue]:
        known = {id(item.resource): item for item in self.compute_environments}
        published = {id(resource): item for resource, item in self._published("queues")}
        definitions: dict[str, list[Resource]] = {}
        for resource, definition in self._published("definitions"):
            definitions.setdefault(str(definition.get("name")), []).append(resource)
        queues: list[Queue] = []
        for item in self.templates.of("AWS::Batch::JobQueue"):
            order = [entry["ComputeEnvironment"] for entry in item.properties.get("ComputeEnvironmentOrder", [])]
            used = self.templates.find_all(order, item.template)
            queue = published.get(id(item), {})
            queues.append(
                Queue(
                    item,
                    kind=queue.get("kind"),
                    fair_share=bool(queue.get("fair_share")),
                    compute_environments=tuple(known[id(one)] for one in used if id(one) in known),
                    definitions=tuple(definitions.get(str(queue.get("definition")), ())),
                )
            )
        return queues

    @cached_property
    def definitions(self) -> list[Resource]:
        return self.templates.of("AWS::Batch::JobDefinition")

    def containers(self, definition: Resource) -> list[Container]:
        """Return the containers of a definition."""
        single = definition.properties.get("ContainerProperties")
        found = [Container(definition, "Properties.ContainerProperties", single)] if single else []
        ranges = definition.properties.get("NodeProperties", {}).get("NodeRangeProperties", [])
        return found + [
            Container(definition, f"Properties.NodeProperties.NodeRangeProperties.{index}.Container", item["Container"])
            for index, item in enumerate(ranges)
            if "Container" in item
        ]

    def policies_of(self, role: Resource) -> list[Resource]:
        """Return the policies that are attached to the role, except AWS managed policies."""
        return [
            item
            for item in self.templates.of("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy")
            if role in self.templates.find_all(item.properties.get("Roles"), item.template)
        ]

    def allowed(self, role: Resource) -> Iterator[tuple[Resource, str]]:
        """Yield every action that the role's policies allow, with the policy."""
        for policy in self.policies_of(role):
            for statement in listed(policy.properties.get("PolicyDocument", {}).get("Statement")):
                if statement.get("Effect") == "Allow":
                    yield from ((policy, str(action)) for action in listed(statement.get("Action")))

    def _published(self, kind: str) -> Iterator[tuple[Resource, dict[str, Any]]]:
        """Yield the published objects of a kind, by ARN."""
        for parameter in self.templates.of("AWS::SSM::Parameter"):
            parts = self.templates.text(parameter.properties.get("Name", ""), parameter.template).split("/")
            if len(parts) < 5 or parts[1] != objects.SSM_ROOT.strip("/") or parts[3] != kind:
                continue
            content = cast(
                "dict[str, Any]", json.loads(self.templates.text(parameter.properties["Value"], parameter.template))
            )
            resource = self.templates.named(str(content.get("arn", "")))
            if resource is not None:
                yield resource, content


def _known(name: str) -> bool:
    try:
        expand(name)
    except UnknownInstanceTypeError:
        return False
    return True
