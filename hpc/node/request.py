"""What was asked: the run's request.json."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from hpc import contract
from hpc.node.failure import Failure
from hpc.node.place import Place
from hpc.node.s3 import S3, S3Error


@dataclass(frozen=True, kw_only=True)
class Input:
    name: str
    uri: str
    """`s3://bucket/key`; a key that ends in `/` is a folder."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The part of request.json that concerns the container."""

    index: int
    """Number of this task within the run: of the first, where the container runs several."""
    positions: range
    """Of the tasks that this container runs."""
    layout: contract.Layout
    kind: str
    nodes: int | None
    vcpus: int
    has_tasks: bool
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    environment: dict[str, str]


def load(s3: S3, place: Place) -> Request:
    """Fetch and check the request.

    Raises:
        Failure: it is not there, not readable or contradicts the environment of this process.
    """
    if place.run_id == contract.run_of_job(place.job_id):
        return _of_job(place)
    where = f"s3://{place.bucket}/{place.paths.request}"
    try:
        raw = json.loads(s3.get(place.bucket, place.paths.request))
    except S3Error as error:
        code = contract.EXIT_BAD_REQUEST if error.status in {403, 404} else contract.EXIT_STAGE_IN
        raise Failure(code, f"cannot read the request of this run: {error}") from error
    except ValueError as error:
        raise Failure(contract.EXIT_BAD_REQUEST, f"{where} is not JSON: {error}") from error
    try:
        request = parse(raw, place)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Failure(contract.EXIT_BAD_REQUEST, f"{where}: {type(error).__name__}: {error}") from error
    if (request.nodes or 1) != place.nodes:
        raise Failure(
            contract.EXIT_BAD_REQUEST,
            f"{where} asks for {request.nodes or 1} node(s), the job has {place.nodes}; submit with `hpc submit`",
        )
    return request


def _of_job(place: Place) -> Request:
    """Return what a job asks for that `hpc` did not submit: nothing but its nodes, each with all its vCPUs."""
    layout = contract.Layout(parts=((0, 1),))
    return Request(
        index=0,
        positions=range(1),
        layout=layout,
        kind="multi-node",
        nodes=place.nodes,
        vcpus=len(os.sched_getaffinity(0)),
        has_tasks=False,
        inputs=(),
        outputs=(),
        environment={},
    )


def parse(raw: dict[str, Any], place: Place) -> Request:
    """Return the request from the JSON of request.json."""
    major = str(raw["version"]).partition(".")[0]
    if int(major) > int(contract.VERSION.partition(".")[0]):
        raise ValueError(f"version {raw['version']} is newer than this image's {contract.VERSION}: push a new image")
    layout = contract.Layout.of(raw)
    positions = layout.positions(place.part, place.array_index)
    return Request(
        index=layout.index(positions.start),
        positions=positions,
        layout=layout,
        kind=str(raw["kind"]),
        nodes=raw.get("nodes"),
        vcpus=int(raw["vcpus"]),
        has_tasks=raw.get("tasks") is not None,
        inputs=tuple(Input(name=str(item["name"]), uri=str(item["uri"])) for item in raw.get("inputs", ())),
        outputs=tuple(str(name) for name in raw.get("outputs", ())),
        environment={str(name): str(value) for name, value in raw.get("environment", {}).items()},
    )
