"""`--skip`: the part of a request whose outputs do not exist yet at their destinations."""

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
    """The part of a request that is left to run."""

    spec: JobSpec | None
    """None if every output exists."""
    skipped: int
    """Number of tasks whose outputs all exist."""


def remaining(spec: JobSpec, s3: S3Client) -> Remaining:
    """Return the tasks with a missing output; a folder exists if there is an object below it.

    Raises:
        BadInput: an output has no `s3://` destination, so that no earlier run can have written it.
    """
    fixed = [output_spec.parse(text) for text in spec.outputs]
    if any(not output.destination for output in fixed) or (not fixed and spec.tasks is None):
        raise BadInput(
            "--skip: an output without a destination is new with every run; give each output a destination:"
            " --output NAME=s3://bucket/project/..., with a {column} of the tasks file in it"
        )
    uris = [output.destination or "" for output in fixed]
    if spec.tasks is None:
        existing = _existing(s3, uris)
        done = all(uri in existing for uri in uris)
        return Remaining(spec=None if done else spec, skipped=int(done))
    existing = _existing(s3, [uri for _, row in _rows(spec) for uri in _of_row(uris, row)])
    left, skipped = list[Range](), 0
    for number, row in _rows(spec):
        if all(uri in existing for uri in _of_row(uris, row)):
            skipped += 1
        else:
            left.append((number, number))
    if not skipped:
        return Remaining(spec=spec, skipped=0)
    return Remaining(spec=replace(spec, only=index_ranges.merge(left)) if left else None, skipped=skipped)


def _rows(spec: JobSpec) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Return number and cells of the chosen rows."""
    chosen = index_ranges.selector(None if spec.only is None else index_ranges.merge(spec.only))
    rows = enumerate(spec.tasks.rows() if spec.tasks else ())
    return ((number, row) for number, row in rows if chosen(number))


def _of_row(uris: list[str], row: Mapping[str, str]) -> list[str]:
    cells = placeholders.with_role(row, "--output").values()
    if any(not cell.startswith("s3://") for cell in cells):
        raise BadInput("--skip: a cell of a column --output NAME is not a destination; write s3://bucket/project/...")
    destinations = [*(placeholders.substitute(uri, placeholders.plain(row)) for uri in uris), *cells]
    if not destinations:
        raise BadInput("--skip: no output has a destination; give --output NAME=s3://bucket/project/...{column}...")
    return destinations


def _existing(s3: S3Client, uris: list[str]) -> set[str]:
    """Return the destinations that exist. It lists their common prefix, 1,000 objects per request."""
    destinations = set(uris)
    bucket, _, _ = uris[0].removeprefix("s3://").partition("/")
    prefix = os.path.commonprefix(uris).removeprefix(f"s3://{bucket}/")  # noqa: RUF071 - of keys
    existing = set[str]()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            uri = f"s3://{bucket}/{item.get('Key', '')}"
            while len(uri) > len(f"s3://{bucket}/"):  # the object, then the folders that contain it
                existing.update({uri, uri.rstrip("/")} & destinations)
                uri = uri.rstrip("/").rpartition("/")[0] + "/"
    return existing
