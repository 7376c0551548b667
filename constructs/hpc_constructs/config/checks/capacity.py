"""Checks that job definitions fit the instances of their queues."""

from __future__ import annotations

from collections.abc import Iterator

from hpc.contract.objects import Shape
from hpc_constructs.config.checks.rule import check
from hpc_constructs.config.models import Environment
from hpc_constructs.config.problems import Problem, ce, names
from hpc_constructs.config.sizing import efa_interfaces, queue_shapes, queue_types, queues_of, size_of


@check("HPC211")
def same_instances(environment: Environment) -> Iterator[Problem]:
    """The queues of a multi-node definition have the same instances, since it lists their EFA devices."""
    for name, item in environment.definitions.items():
        queues = queues_of(environment, name)
        if item.kind != "multi-node":
            continue
        kinds = {
            (queue_types(environment, queue)[0].name, efa_interfaces(environment, queue)) for queue in queues.values()
        }
        if len(kinds) > 1:
            yield Problem(
                path=("definitions", name),
                given=f"one definition for queues {names(queues)} of different instances",
                allowed="a multi-node definition for each instance type, with or without EFA",
                fix="add a definition and name it in one of the queues",
                involves=tuple(("queues", queue) for queue in queues),
            )


def _fits(name: str, environment: Environment, shape: Shape) -> bool:
    size = size_of(environment, name)
    return size.vcpus <= shape.vcpus and size.memory_mib <= shape.memory_mib and size.gpus <= shape.gpus


@check("HPC212")
def sizes(environment: Environment) -> Iterator[Problem]:
    """A definition fits an instance of each of its queues."""
    for name in environment.definitions:
        size = size_of(environment, name)
        if size.shared_memory_mib > size.memory_mib:
            yield Problem(
                path=("definitions", name, "shared_memory_mib"),
                given=str(size.shared_memory_mib),
                allowed=f"at most the memory, {size.memory_mib}",
                fix="lower it, or raise memory_mib",
            )
        for queue_name, queue in queues_of(environment, name).items():
            shapes = queue_shapes(environment, queue)
            if any(_fits(name, environment, shape) for shape in shapes):
                continue
            largest = "; ".join(
                f"{shape.instance_type} {shape.vcpus} vCPUs, {shape.memory_mib} MiB, {shape.gpus} GPUs"
                for shape in shapes
            )
            yield Problem(
                path=("definitions", name),
                given=f"{size.vcpus} vCPUs, {size.memory_mib} MiB, {size.gpus} GPUs",
                allowed=f"what one instance of queue {queue_name} has: {largest}",
                fix="request less, or give the queue larger instances",
                involves=(
                    ("queues", queue_name),
                    *map(ce, queue.compute_environments),
                ),
            )


RELATIONS = (same_instances, sizes)
"""Checks that follow the references of queues, which must be valid."""
