"""Everything that is wrong with a request in the environment where it goes, all of it at once. Calls no service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hpc.contract import objects
from hpc.request import output_spec
from hpc.request.batch_limits import MAX_NODES
from hpc.request.job_spec import JobSpec
from hpc.units import show_mib


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a run goes: what the request names, found in the environment."""

    project: objects.Project
    queue: objects.Queue
    definition: objects.Definition


def check_against(spec: JobSpec, target: Target, meta: objects.Meta) -> Iterator[str]:
    """Yield what is wrong with the request in this environment."""
    queue, definition = target.queue, target.definition
    if meta.image is None and definition.image is None and spec.image is None:
        yield (
            f"environment {meta.environment} has no image yet: the platform team pushes one to {meta.repository} and"
            f" deploys it: cdk deploy --all -c env={meta.environment} -c image_digest=sha256:..."
        )
    if queue.kind != definition.kind:
        yield (
            f"--definition {definition.name} is for {definition.kind} jobs, queue {queue.name} runs"
            f" {queue.kind} jobs; leave --definition out to get {queue.definition}"
        )
    if definition.efa_interfaces > queue.efa_interfaces:
        yield (
            f"--definition {definition.name} needs {definition.efa_interfaces} EFA devices, an instance of queue"
            f" {queue.name} has {queue.efa_interfaces}; leave --definition out to get {queue.definition}"
        )
    yield from _check_nodes(spec, queue)
    yield from _check_slots(spec, target)
    yield from _check_size(spec, target)
    yield from _check_share(spec, target)
    yield from _check_buckets(spec, target, meta)
    yield from _check_destinations(spec, target, meta)


def _check_nodes(spec: JobSpec, queue: objects.Queue) -> Iterator[str]:
    if queue.kind == "single" and spec.nodes is not None:
        why = (
            "its instances are Spot, on which AWS Batch runs no multi-node job" if queue.spot else "it runs single jobs"
        )
        yield f"--nodes {spec.nodes} on queue {queue.name}: {why}; choose a multi-node queue (see hpc queues)"
    if queue.kind == "multi-node" and spec.nodes is None:
        yield f"queue {queue.name} runs multi-node jobs: add --nodes N, 1 to {queue.max_nodes}"
    if queue.kind == "multi-node" and spec.nodes is not None and queue.max_nodes < spec.nodes <= MAX_NODES:
        yield (
            f"--nodes {spec.nodes}: queue {queue.name} has {queue.max_vcpus} vCPUs,"
            f" which is {queue.max_nodes} nodes of {queue.shapes[0].instance_type}"
        )


def _check_slots(spec: JobSpec, target: Target) -> Iterator[str]:
    slots, queue = spec.slots_per_node, target.queue
    if slots is None:
        return
    if spec.nodes is None:
        yield f"--slots-per-node {slots}: it is for multi-node jobs; add --nodes N, or leave it out"
        return
    vcpus = spec.vcpus or target.definition.vcpus
    if not 1 <= slots <= vcpus:
        largest = max(queue.shapes, key=lambda shape: shape.vcpus)
        yield (
            f"--slots-per-node {slots}: a node of this job has {vcpus} vCPUs, 1 to {vcpus} slots are allowed; the"
            f" largest instance of queue {queue.name} has {largest.vcpus} vCPUs ({largest.instance_type})"
        )


def _check_size(spec: JobSpec, target: Target) -> Iterator[str]:
    """Whether one instance of the queue can hold the job; a job that fits none waits in RUNNABLE for ever."""
    shapes, queue = target.queue.shapes, target.queue.name
    vcpus = spec.vcpus or target.definition.vcpus
    memory_mib = spec.memory_mib or target.definition.memory_mib
    gpus = spec.gpus if spec.gpus is not None else target.definition.gpus
    complaints = list[str]()
    most_vcpus = max(shapes, key=lambda shape: shape.vcpus)
    most_memory = max(shapes, key=lambda shape: shape.memory_mib)
    most_gpus = max(shapes, key=lambda shape: shape.gpus)
    if vcpus > most_vcpus.vcpus:
        complaints.append(
            f"--vcpus {vcpus}: the largest instance of queue {queue} has {most_vcpus.vcpus}"
            f" ({most_vcpus.instance_type})"
        )
    if memory_mib > most_memory.memory_mib:
        complaints.append(
            f"--memory {show_mib(memory_mib)}: an instance of queue {queue} leaves at most"
            f" {show_mib(most_memory.memory_mib)} to a job ({most_memory.instance_type})"
        )
    if gpus > most_gpus.gpus:
        complaints.append(f"--gpus {gpus}: an instance of queue {queue} has at most {most_gpus.gpus}")
    fits = any(s.vcpus >= vcpus and s.memory_mib >= memory_mib and s.gpus >= gpus for s in shapes)
    if not fits and not complaints:
        have = "; ".join(f"{s.instance_type}: {s.vcpus} vCPUs, {show_mib(s.memory_mib)}, {s.gpus} GPUs" for s in shapes)
        complaints.append(
            f"{vcpus} vCPUs with {show_mib(memory_mib)} and {gpus} GPUs: no instance of queue {queue} has all of it;"
            f" the largest are {have}"
        )
    yield from complaints


def _check_share(spec: JobSpec, target: Target) -> Iterator[str]:
    queue = target.queue
    if queue.fair_share and spec.share is None and target.project.share_identifier is None:
        yield f"queue {queue.name} schedules by fair share: add --share ID"
    if not queue.fair_share:
        given = [flag for flag, v in (("--share", spec.share), ("--priority", spec.priority)) if v is not None]
        yield from (f"{flag}: queue {queue.name} is first in, first out; leave it out" for flag in given)


def _check_buckets(spec: JobSpec, target: Target, meta: objects.Meta) -> Iterator[str]:
    for item in spec.inputs:
        if item.is_uri:
            yield from (f"--input {item.name}={text}" for text in check_readable(item.source, target, meta))


def check_readable(uri: str, target: Target, meta: objects.Meta) -> Iterator[str]:
    """Yield why the project's jobs cannot read an object in S3."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    own = bucket == meta.bucket and key.startswith(f"{target.project.name}/")
    if not own and bucket not in target.project.read_buckets:
        others = ", ".join(target.project.read_buckets) or "no other bucket"
        yield (
            f"{uri}: jobs of project {target.project.name} read s3://{meta.bucket}/{target.project.name}/ and {others};"
            " the platform team adds buckets by read_buckets"
        )


def _check_destinations(spec: JobSpec, target: Target, meta: objects.Meta) -> Iterator[str]:
    for text in spec.outputs:
        destination = output_spec.parse(text).destination or ""
        if destination.startswith("s3://"):
            yield from (f"--output {text}: {found}" for found in check_writable(destination, target, meta))


def check_writable(uri: str, target: Target, meta: objects.Meta) -> Iterator[str]:
    """Yield why an output cannot be kept at an address in S3."""
    own = f"s3://{meta.bucket}/{target.project.name}/"
    if not uri.startswith(own):
        yield f"{uri}: jobs of project {target.project.name} write below {own} only"
    elif uri.removeprefix(own).startswith(("runs/", "objects/")):
        yield f"{uri}: runs/ and objects/ belong to hpc; choose another folder below {own}"
