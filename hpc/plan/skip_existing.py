"""`--skip`: what is left to do of a request whose outputs are, in part, where they are to be kept."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hpc.contract import placeholders
from hpc.contract.task_layout import Range
from hpc.errors import BadInput
from hpc.request import index_ranges, output_spec
from hpc.request.job_spec import JobSpec

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client


@dataclass(frozen=True, kw_only=True)
class Remaining:
    """What is left of a request."""

    spec: JobSpec | None
    """None if every output exists."""
    skipped: int
    """Tasks whose outputs all exist."""


def remaining(spec: JobSpec, s3: S3Client) -> Remaining:
    """Look at the destinations of a request's outputs; a folder exists if there is an object below it.

    Raises:
        BadInput: an output has no destination that outlives the run.
    """
    fixed = [output_spec.parse(text) for text in spec.outputs]
    if any(not output.destination for output in fixed) or (not fixed and spec.tasks is None):
        raise BadInput(
            "--skip: outputs below a run are new with every run; give each a place of its own:"
            " --output NAME=s3://bucket/project/..., with a {column} of the tasks file in it"
        )
    uris = [output.destination or "" for output in fixed]
    if spec.tasks is None:
        there = _existing(s3, uris)
        done = all(uri in there for uri in uris)
        return Remaining(spec=None if done else spec, skipped=int(done))
    there = _existing(s3, [uri for _, row in _rows(spec) for uri in _of_row(uris, row)])
    left, skipped = list[Range](), 0
    for number, row in _rows(spec):
        if all(uri in there for uri in _of_row(uris, row)):
            skipped += 1
        else:
            left.append((number, number))
    if not skipped:
        return Remaining(spec=spec, skipped=0)
    return Remaining(spec=replace(spec, only=index_ranges.merge(left)) if left else None, skipped=skipped)


def _rows(spec: JobSpec) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Return number and cells of the rows that were asked for."""
    chosen = index_ranges.selector(None if spec.only is None else index_ranges.merge(spec.only))
    rows = enumerate(spec.tasks.rows() if spec.tasks else ())
    return ((number, row) for number, row in rows if chosen(number))


def _of_row(uris: list[str], row: Mapping[str, str]) -> list[str]:
    cells = placeholders.with_role(row, "--output").values()
    if any(not cell.startswith("s3://") for cell in cells):
        raise BadInput("--skip: a cell of a column --output NAME is no s3://..., so it is new with every run")
    found = [*(placeholders.substitute(uri, placeholders.plain(row)) for uri in uris), *cells]
    if not found:
        raise BadInput("--skip: no output has a destination; give --output NAME=s3://bucket/project/...{column}...")
    return found


def _existing(s3: S3Client, uris: list[str]) -> set[str]:
    """Return which of the destinations exist: their common prefix is listed, a thousand objects a request."""
    asked = set(uris)
    bucket, _, _ = uris[0].removeprefix("s3://").partition("/")
    prefix = os.path.commonprefix(uris).removeprefix(f"s3://{bucket}/")  # noqa: RUF071 - of keys
    found = set[str]()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            uri = f"s3://{bucket}/{item.get('Key', '')}"
            while len(uri) > len(f"s3://{bucket}/"):  # the object, then the folders that it lies in
                found.update({uri, uri.rstrip("/")} & asked)
                uri = uri.rstrip("/").rpartition("/")[0] + "/"
    return found
