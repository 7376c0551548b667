"""Everything that can be known to be wrong before a run is sent, all of it at once.

A check looks at the request and the published environment, and yields complaints: what was given, what is
allowed, what to do. It calls no service.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hpc import columns, contract, runid
from hpc.spec import Input, JobSpec
from hpc.units import show_mib

MAX_ARRAY = 10_000
"""https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html"""
MAX_DEPENDENCIES = 20
"""https://docs.aws.amazon.com/batch/latest/userguide/job_dependencies.html"""
MAX_RETRIES = 9
"""Batch allows ten attempts: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html"""
MAX_NODES = 1000
"""https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html"""
MIN_TIMEOUT_S = 60
"""https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html"""
MAX_PAYLOAD_BYTES = 30 * 1024
"""https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html"""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_KNOBS = {contract.ENV_RENDEZVOUS_TIMEOUT_S, contract.ENV_SCRATCH}


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a run goes: what the request names, found in the environment."""

    project: contract.Project
    queue: contract.Queue
    definition: contract.Definition


def unknown(flag: str, given: str, allowed: Iterable[str], what: str) -> str:
    """Word the complaint about a name that does not exist, with the nearest one that does."""
    names = sorted(allowed)
    close = difflib.get_close_matches(given, names, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{flag} {given}: no such {what}; there is {', '.join(names) or 'none'}{hint}"


def check_request(spec: JobSpec) -> Iterator[str]:
    """Yield what is wrong with the request whatever the environment."""
    yield from _check_command(spec)
    yield from _check_name(spec.name)
    yield from _check_shape(spec)
    yield from _check_limits(spec)
    yield from _check_variables(spec)
    for item in spec.inputs:
        yield from _check_input(item)


def _check_command(spec: JobSpec) -> Iterator[str]:
    if not spec.command:
        yield "no command given; write it last: hpc submit [options] -- COMMAND [ARG...]"
    if "" in spec.command:
        yield "the command has an empty argument, which AWS Batch refuses; wrap it: -- bash -c 'program \"\"'"


def _check_name(name: str | None) -> Iterator[str]:
    if name is None:
        return
    if len(name) > runid.MAX_NAME:
        yield (
            f"--name has {len(name)} characters; at most {runid.MAX_NAME} are allowed"
            f" (AWS Batch takes {runid.MAX_JOB_NAME}, the run id needs the rest)"
        )
    if not _NAME.fullmatch(name):
        yield f"--name {name!r}: letters, digits, - and _ are allowed, the first a letter or digit"


def _check_shape(spec: JobSpec) -> Iterator[str]:
    if spec.array is not None and spec.tasks is not None:
        yield "--array and --tasks: give one of them; --tasks makes an array of its rows"
    if spec.nodes is not None and (spec.array is not None or spec.tasks is not None):
        other = "--array" if spec.array is not None else "--tasks"
        yield f"--nodes and {other}: AWS Batch has no arrays of multi-node jobs; submit them one by one"
    if spec.array is not None and not 2 <= spec.array <= MAX_ARRAY:
        fix = "leave --array out for a single job" if spec.array < 2 else "submit several runs"
        yield f"--array {spec.array}: 2 to {MAX_ARRAY:,} children are allowed; {fix}"
    if spec.nodes is not None and not 1 <= spec.nodes <= MAX_NODES:
        yield f"--nodes {spec.nodes}: 1 to {MAX_NODES:,} nodes are allowed"
    if spec.tasks is not None:
        count, complaints = spec.tasks.check()
        yield from complaints
        if count > MAX_ARRAY:
            yield f"--tasks {spec.tasks.path}: {count:,} rows, at most {MAX_ARRAY:,} are allowed; split the file"
        if not complaints:
            have = spec.tasks.columns()
            missing = [name for name in columns.named_in(spec.command) if name not in have]
            yield from (unknown("command", f"{{{name}}}", have, "column in the tasks file") for name in missing)


def _check_limits(spec: JobSpec) -> Iterator[str]:
    if len(spec.after) > MAX_DEPENDENCIES:
        yield (
            f"--after: {len(spec.after)} jobs given, AWS Batch allows {MAX_DEPENDENCIES};"
            " submit an intermediate job that waits for some of them"
        )
    if spec.timeout_s is not None and spec.timeout_s < MIN_TIMEOUT_S:
        yield f"--timeout of {spec.timeout_s} s: AWS Batch allows {MIN_TIMEOUT_S} s or more; write --timeout 1m"
    if spec.retries is not None and not 0 <= spec.retries <= MAX_RETRIES:
        yield f"--retries {spec.retries}: 0 to {MAX_RETRIES} are allowed"
    if spec.priority is not None and not 0 <= spec.priority <= 9999:
        yield f"--priority {spec.priority}: 0 to 9999 is allowed"
    for flag, value in (("--vcpus", spec.vcpus), ("--memory", spec.memory_mib), ("--gpus", spec.gpus)):
        if value is not None and value < (0 if flag == "--gpus" else 1):
            yield f"{flag} {value}: give a positive number"


def _check_variables(spec: JobSpec) -> Iterator[str]:
    for name in spec.environment:
        if not _VARIABLE.fullmatch(name):
            yield f"--setenv {name!r}: a variable's name is letters, digits and _, not starting with a digit"
        elif name.startswith("AWS_BATCH"):
            yield f"--setenv {name}: names that start with AWS_BATCH are reserved by AWS Batch; choose another"
        elif name.startswith("HPC_") and name not in _KNOBS:
            yield f"--setenv {name}: names that start with HPC_ are reserved; choose another"
    seen = set(spec.environment)
    for flag, name in [*(("--input", i.name) for i in spec.inputs), *(("--output", o) for o in spec.outputs)]:
        if not _VARIABLE.fullmatch(name) or name.startswith(("AWS_", "HPC_")):
            yield (
                f"{flag} {name!r}: the name becomes a variable: letters, digits and _, not starting with a digit,"
                " AWS_ or HPC_"
            )
        if name in seen:
            yield f"{flag} {name}: the name is taken by another input, output or variable"
        seen.add(name)


def _check_input(item: Input) -> Iterator[str]:
    flag = f"--input {item.name}={item.source}"
    if item.is_uri:
        bucket, _, key = item.source.removeprefix("s3://").partition("/")
        if not bucket or not key:
            yield f"{flag}: write s3://bucket/key for an object, s3://bucket/prefix/ for a folder"
    elif not item.path.exists():
        yield f"{flag}: no such file or folder here; paths are relative to the folder you are in"
    elif item.path.is_dir() and not any(path.is_file() for path in item.path.rglob("*")):
        yield f"{flag}: the folder has no file"


def check_against(spec: JobSpec, target: Target, meta: contract.Meta) -> Iterator[str]:
    """Yield what is wrong with the request in this environment."""
    queue, definition = target.queue, target.definition
    if meta.image is None and definition.image is None:
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
    yield from _check_size(spec, target)
    yield from _check_share(spec, target)
    yield from _check_buckets(spec, target, meta)


def _check_nodes(spec: JobSpec, queue: contract.Queue) -> Iterator[str]:
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


def _check_buckets(spec: JobSpec, target: Target, meta: contract.Meta) -> Iterator[str]:
    for item in (item for item in spec.inputs if item.is_uri):
        bucket, _, key = item.source.removeprefix("s3://").partition("/")
        own = bucket == meta.bucket and key.startswith(f"{target.project.name}/")
        if not own and bucket not in target.project.read_buckets:
            others = ", ".join(target.project.read_buckets) or "no other bucket"
            yield (
                f"--input {item.name}={item.source}: jobs of project {target.project.name} read"
                f" s3://{meta.bucket}/{target.project.name}/ and {others}; the platform team adds buckets by"
                " read_buckets"
            )
