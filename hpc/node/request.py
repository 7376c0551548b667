"""What was asked: the run's request.json."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from hpc.contract import exit_codes, objects
from hpc.contract.paths import run_of_job
from hpc.contract.task_layout import Layout
from hpc.node.failure import Failure
from hpc.node.job_context import JobContext
from hpc.node.s3.client import S3, S3Error


@dataclass(frozen=True, kw_only=True)
class Input:
    """A file or folder for the command: one of `uri`, `object` and `tree` is given."""

    name: str
    uri: str = ""
    """`s3://bucket/key`; a key that ends in `/` is a folder."""
    object: str = ""
    """SHA-256 of a file in the content store."""
    tree: str = ""
    """SHA-256 of a folder's listing in the content store."""
    file: str = ""
    """Name of the file that `object` becomes."""
    executable: bool = False
    size: int = 0
    """Bytes, where they are known beforehand."""

    @classmethod
    def of(cls, raw: dict[str, Any], name: str) -> Input:
        return cls(
            name=name,
            uri=str(raw.get("uri", "")),
            object=str(raw.get("object", "")),
            tree=str(raw.get("tree", "")),
            file=str(raw.get("file", "")),
            executable=bool(raw.get("executable")),
            size=int(raw.get("size", 0)),
        )


@dataclass(frozen=True, kw_only=True)
class Request:
    """The part of request.json that concerns the container."""

    index: int
    """Number of this task within the run: of the first, where the container runs several."""
    positions: range
    """Of the tasks that this container runs."""
    layout: Layout
    kind: str
    nodes: int | None
    slots: int
    """Of MPI, on each node."""
    every_node: bool
    """Whether the command runs on every node, and not on the main one alone."""
    has_tasks: bool
    command: tuple[str, ...]
    inputs: tuple[Input, ...]
    workdir: Input | None
    outputs: tuple[str, ...]
    """Names."""
    files: dict[str, str]
    """File of an output below the task's outputs, where it is not the output's name."""
    destinations: dict[str, str]
    """`s3://bucket/key` by the name of an output that is kept elsewhere than below the run."""
    patterns: tuple[str, ...]
    """Of files below the command's working directory."""
    environment: dict[str, str]
    on_failure: str
    """One of `contract.ON_FAILURE`."""
    checkpoint_minutes: int | None
    signal: str | None
    """Name of what the command gets before it is ended; None: SIGTERM, on a Spot notice."""
    signal_before_s: int
    timeout_s: int | None
    """Of an attempt, from its start."""


def load(s3: S3, context: JobContext) -> Request:
    """Fetch and check the request.

    Raises:
        Failure: it is not there, not readable or contradicts the environment of this process.
    """
    if context.run_id == run_of_job(context.job_id):
        return _of_job(context)
    where = f"s3://{context.bucket}/{context.paths.request}"
    try:
        raw = json.loads(s3.get(context.bucket, context.paths.request))
    except S3Error as error:
        code = exit_codes.BAD_REQUEST if error.status in {403, 404} else exit_codes.STAGE_IN
        raise Failure(code, f"cannot read the request of this run: {error}") from error
    except ValueError as error:
        raise Failure(exit_codes.BAD_REQUEST, f"{where} is not JSON: {error}") from error
    try:
        request = parse(raw, context)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Failure(exit_codes.BAD_REQUEST, f"{where}: {type(error).__name__}: {error}") from error
    if (request.nodes or 1) != context.nodes:
        raise Failure(
            exit_codes.BAD_REQUEST,
            f"{where} asks for {request.nodes or 1} node(s), the job has {context.nodes}; submit with `hpc submit`",
        )
    return request


def _of_job(context: JobContext) -> Request:
    """Return what a job asks for that `hpc` did not submit: nothing but its nodes, each with all its vCPUs."""
    vcpus = len(os.sched_getaffinity(0))
    parts = [{"offset": 0, "size": 1}]
    asked = {"version": objects.VERSION, "kind": "multi-node", "nodes": context.nodes, "vcpus": vcpus, "parts": parts}
    return parse(asked, context)


def parse(raw: dict[str, Any], context: JobContext) -> Request:
    """Return the request from the JSON of request.json."""
    major = str(raw["version"]).partition(".")[0]
    if int(major) > int(objects.VERSION.partition(".")[0]):
        raise ValueError(f"version {raw['version']} is newer than this image's {objects.VERSION}: push a new image")
    layout = Layout.of(raw)
    positions = layout.positions(context.part, context.array_index)
    signal: dict[str, Any] = raw.get("signal") or {}
    return Request(
        index=layout.index(positions.start),
        positions=positions,
        layout=layout,
        kind=str(raw["kind"]),
        nodes=raw.get("nodes"),
        slots=int(raw.get("slots_per_node") or raw["vcpus"]),
        every_node=bool(raw.get("every_node")),
        has_tasks=raw.get("tasks") is not None,
        command=tuple(str(word) for word in raw.get("command", ())),
        inputs=tuple(Input.of(item, str(item["name"])) for item in raw.get("inputs", ())),
        workdir=Input.of(raw["workdir"], "--workdir") if raw.get("workdir") else None,
        outputs=tuple(str(name) for name in raw.get("outputs", ())),
        files={},
        destinations={str(name): str(uri) for name, uri in raw.get("destinations", {}).items()},
        patterns=tuple(str(pattern) for pattern in raw.get("patterns", ())),
        environment={str(name): str(value) for name, value in raw.get("environment", {}).items()},
        on_failure=str(raw.get("on_failure") or "all"),
        checkpoint_minutes=raw.get("checkpoint_minutes"),
        signal=signal.get("name"),
        signal_before_s=int(signal.get("before_s", 0)),
        timeout_s=raw.get("timeout_s"),
    )
