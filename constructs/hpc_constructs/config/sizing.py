"""Sizes and limits that follow from a configuration and the instance catalogue. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

from hpc.contract.objects import Shape
from hpc_constructs.config.models import Environment
from hpc_constructs.config.resources import ComputeEnvironment, Queue
from hpc_constructs.instances import InstanceType, expand_all, largest_shapes

MOST_ZONES = 4
"""Number of zones for which the VPC has address space."""
SCRATCH = "/scratch"
"""Path of the scratch folder, on instances and in containers."""
HOST = "/run/hpc"
"""Path of the facts about the instance, on instances and in containers."""
SHARED = "/shared"
"""Path of the project's folder of the shared file system, in containers."""
SINGLE_VCPUS = 1
SINGLE_MEMORY_MIB = 2048
LONGEST_UPDATE_MINUTES = 7200
"""https://docs.aws.amazon.com/batch/latest/APIReference/API_UpdatePolicy.html"""


@dataclass(frozen=True, kw_only=True)
class Size:
    """Resources of one container of a job definition."""

    vcpus: int
    memory_mib: int
    gpus: int
    shared_memory_mib: int
    efa_interfaces: int


def instance_types(compute_environment: ComputeEnvironment) -> tuple[InstanceType, ...]:
    """Return the types that the compute environment may launch."""
    return expand_all(compute_environment.instance_types)


def queue_types(environment: Environment, queue: Queue) -> tuple[InstanceType, ...]:
    """Return the types that jobs of the queue may run on."""
    names = (
        name for item in queue.compute_environments for name in environment.compute_environments[item].instance_types
    )
    return expand_all(names)


def queue_shapes(environment: Environment, queue: Queue) -> tuple[Shape, ...]:
    """Return the largest shapes of the queue."""
    return largest_shapes(queue_types(environment, queue))


def queue_max_vcpus(environment: Environment, queue: Queue) -> int:
    """Return the sum of max_vcpus over the queue's compute environments."""
    return sum(environment.compute_environments[name].max_vcpus for name in queue.compute_environments)


def efa_interfaces(environment: Environment, queue: Queue) -> int:
    """Return the number of EFA devices on each instance of the queue: the minimum over its environments."""
    return min(
        min(item.efa_interfaces for item in instance_types(environment.compute_environments[name]))
        if environment.compute_environments[name].efa
        else 0
        for name in queue.compute_environments
    )


def queues_of(environment: Environment, definition: str) -> dict[str, Queue]:
    """Return the queues whose default is the definition."""
    return {name: queue for name, queue in environment.queues.items() if queue.default_definition == definition}


def whole_instance(environment: Environment, definition: str) -> InstanceType | None:
    """Return the instance type that a multi-node definition fills, from the first of its queues."""
    for queue in queues_of(environment, definition).values():
        return queue_types(environment, queue)[0]
    return None


def size_of(environment: Environment, name: str) -> Size:
    """Return the resources of a container of the definition, with the defaults that follow from its queues."""
    definition = environment.definitions[name]
    default_vcpus, default_memory, efa = SINGLE_VCPUS, SINGLE_MEMORY_MIB, 0
    if definition.kind == "multi-node":
        queues = queues_of(environment, name)
        instance = whole_instance(environment, name)
        if instance is not None:
            default_vcpus, default_memory = instance.vcpus, instance.usable_memory_mib
            efa = efa_interfaces(environment, next(iter(queues.values())))
    memory = definition.memory_mib or default_memory
    return Size(
        vcpus=definition.vcpus or default_vcpus,
        memory_mib=memory,
        gpus=definition.gpus,
        shared_memory_mib=definition.shared_memory_mib or max(memory // 4, 1),
        efa_interfaces=efa,
    )


def mounts_scratch(environment: Environment, definition: str) -> bool:
    """Return whether a queue of the definition has instances with scratch on the instance store."""
    return any(
        environment.compute_environments[name].scratch == "instance-store"
        for queue in queues_of(environment, definition).values()
        for name in queue.compute_environments
    )


def secret_arns(environment: Environment) -> list[str]:
    """Return every secret that a job definition names or a project's developers may name."""
    named = [arn for definition in environment.definitions.values() for arn in definition.secrets.values()]
    return [*named, *(arn for project in environment.projects.values() for arn in project.secrets)]


def update_timeout_minutes(environment: Environment) -> int:
    """Return the minutes that an update of a compute environment waits for running jobs: the longest job timeout."""
    longest = max(definition.timeout_s for definition in environment.definitions.values())
    return min(-(-longest // 60), LONGEST_UPDATE_MINUTES)


def private_subnet_mask(environment: Environment) -> int:
    """Return the prefix length of a private subnet: four of them take half of the VPC, since a multi-node job
    needs an address for each interface and each task."""
    return _vpc_mask(environment) + 3


def public_subnet_mask(environment: Environment) -> int:
    """Return the prefix length of a public subnet, which holds at most a NAT gateway."""
    return _vpc_mask(environment) + 8


def _vpc_mask(environment: Environment) -> int:
    return int(environment.network.cidr.partition("/")[2])


def is_multi_node(environment: Environment, compute_environment: str) -> bool:
    """Return whether a multi-node queue uses the compute environment."""
    return any(
        queue.kind == "multi-node" and compute_environment in queue.compute_environments
        for queue in environment.queues.values()
    )
