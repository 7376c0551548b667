"""Queues with their compute environments and job definitions."""

from __future__ import annotations

from collections.abc import Iterator

from hpc_constructs.instances import InstanceType
from hpc_constructs.rules.batch_model import ComputeEnvironment, Container, Platform, Queue
from hpc_constructs.rules.finding import Hit, check

ORDER = "Properties.ComputeEnvironmentOrder"
MOST_ENVIRONMENTS = 3


def _served(platform: Platform) -> Iterator[tuple[Queue, Container]]:
    for queue in platform.queues:
        for definition in queue.definitions:
            for container in platform.containers(definition):
                yield queue, container


def _multi_node(platform: Platform) -> Iterator[tuple[Queue, ComputeEnvironment]]:
    for queue in platform.queues:
        if queue.kind == "multi-node":
            for item in queue.compute_environments:
                yield queue, item


@check("HPC040")
def few_environments(platform: Platform) -> Iterator[Hit]:
    for queue in platform.templates.of("AWS::Batch::JobQueue"):
        count = len(queue.properties.get("ComputeEnvironmentOrder", []))
        if not 1 <= count <= MOST_ENVIRONMENTS:
            yield queue, f"{count} compute environments", ORDER


@check("HPC041")
def one_architecture(platform: Platform) -> Iterator[Hit]:
    for queue in platform.queues:
        # Two in one compute environment are a separate finding.
        found = [{kind.architecture for kind in item.types} for item in queue.compute_environments]
        if all(len(one) == 1 for one in found) and len(set[str]().union(*found)) > 1:
            yield queue.resource, "", ORDER


@check("HPC042")
def multi_node_on_demand(platform: Platform) -> Iterator[Hit]:
    for queue, item in _multi_node(platform):
        if item.spot:
            yield queue.resource, f"{item.resource.logical_id} is Spot", ORDER


@check("HPC043")
def room_for_all_nodes(platform: Platform) -> Iterator[Hit]:
    for queue, item in _multi_node(platform):
        for definition in queue.definitions:
            nodes = int(definition.properties.get("NodeProperties", {}).get("NumNodes", 1))
            smallest = min((kind.vcpus for kind in item.types), default=0)
            # Room for not even one node is a separate finding.
            if smallest <= item.max_vcpus < nodes * smallest:
                detail = f"{nodes} nodes of {smallest} vCPUs, {item.resource.logical_id} has {item.max_vcpus}"
                yield queue.resource, detail, ORDER


def _too_big(queue: Queue, asked: int, what: str, kinds: dict[InstanceType, int]) -> Iterator[Hit]:
    most = max(kinds.values(), default=asked)
    if asked > most:
        largest = next(kind.name for kind, value in kinds.items() if value == most)
        yield queue.resource, f"{asked} {what}, {largest} has {most}", ORDER


@check("HPC044")
def memory_fits(platform: Platform) -> Iterator[Hit]:
    for queue, container in _served(platform):
        have = {kind: kind.usable_memory_mib for kind in queue.types}
        yield from _too_big(queue, container.amount("MEMORY"), "MiB of memory", have)


def _vcpus(item: ComputeEnvironment, kind: InstanceType) -> int:
    options = item.launch_data.get("CpuOptions", {})
    cores, threads = options.get("CoreCount"), options.get("ThreadsPerCore")
    return int(cores) * int(threads) if cores and threads else kind.vcpus


@check("HPC045")
def vcpus_fit(platform: Platform) -> Iterator[Hit]:
    for queue, container in _served(platform):
        have = {kind: _vcpus(item, kind) for item in queue.compute_environments for kind in item.types}
        yield from _too_big(queue, container.amount("VCPU"), "vCPUs", have)


@check("HPC046")
def gpus_fit(platform: Platform) -> Iterator[Hit]:
    for queue, container in _served(platform):
        yield from _too_big(queue, container.amount("GPU"), "GPUs", {kind: kind.gpus for kind in queue.types})


@check("HPC047")
def devices_are_there(platform: Platform) -> Iterator[Hit]:
    for queue, container in _served(platform):
        wanted = [f"/dev/infiniband/uverbs{index}" for index in range(len(container.efa_devices))]
        for item in queue.compute_environments:
            there = len(item.efa_interfaces)
            if sorted(container.efa_devices) != sorted(wanted) or len(wanted) != there:
                detail = f"{len(wanted)} devices, {item.resource.logical_id} has {there} EFA interfaces"
                yield container.definition, detail, f"{container.path}.LinuxParameters.Devices"


@check("HPC048")
def definition_of_the_kind(platform: Platform) -> Iterator[Hit]:
    for queue in platform.queues:
        for definition in queue.definitions:
            kind = "multi-node" if definition.properties.get("Type") == "multinode" else "single"
            if kind != queue.kind:
                yield queue.resource, f"{queue.kind} queue, {definition.logical_id} is {kind}", ""


@check("HPC049")
def fair_share_as_published(platform: Platform) -> Iterator[Hit]:
    for queue in platform.queues:
        policy = "SchedulingPolicyArn" in queue.resource.properties
        if queue.kind is not None and policy != queue.fair_share:
            detail = "a scheduling policy that is not published" if policy else "fair share without a scheduling policy"
            yield queue.resource, detail, "Properties.SchedulingPolicyArn"


@check("HPC052")
def blocked_queues_free_themselves(platform: Platform) -> Iterator[Hit]:
    for queue in platform.queues:
        if not queue.resource.properties.get("JobStateTimeLimitActions"):
            yield queue.resource, "", "Properties.JobStateTimeLimitActions"
