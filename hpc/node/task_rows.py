"""The rows of this container's tasks, out of an object that holds those of all: two small requests, however many."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace

from hpc.contract import exit_codes, placeholders
from hpc.contract.task_layout import TASK_OFFSET
from hpc.node.failure import Failure
from hpc.node.job_context import JobContext
from hpc.node.request import Input, Request
from hpc.node.s3.client import S3, S3Error

_OFFSET = TASK_OFFSET

Row = dict[str, str]


def read(s3: S3, context: JobContext, positions: range) -> list[Row]:
    """Return the rows at some positions that follow each other.

    Raises:
        Failure: they are not there, or S3 does not answer.
    """
    paths, bucket = context.paths, context.bucket
    try:
        index = s3.get(bucket, paths.tasks_index, positions.start * _OFFSET.size, (positions.stop + 1) * _OFFSET.size)
        offsets = [offset for (offset,) in _OFFSET.iter_unpack(index[: len(index) // _OFFSET.size * _OFFSET.size])]
        if len(offsets) != len(positions) + 1:
            raise _refused(context, positions, f"{paths.tasks_index} ends before")
        lines = s3.get(bucket, paths.tasks, offsets[0], offsets[-1])
    except S3Error as error:
        code = exit_codes.BAD_REQUEST if error.status in {403, 404, 416} else exit_codes.STAGE_IN
        raise Failure(code, f"cannot read the rows of this container's tasks: {error}") from error
    starts = [offset - offsets[0] for offset in offsets]
    try:
        return [_row(lines[start:stop]) for start, stop in itertools.pairwise(starts)]
    except ValueError as error:
        raise _refused(context, positions, str(error)) from error


def fill(request: Request, row: Row, argv: Sequence[str]) -> tuple[Request, list[str]]:
    """Return the request of one task, with what the row's columns say, and its command.

    Raises:
        Failure: the command names a column that the row does not have.
    """
    plain = placeholders.plain(row)
    try:
        command = [placeholders.substitute(word, plain) for word in argv]
        destinations = {name: placeholders.substitute(uri, plain) for name, uri in request.destinations.items()}
    except KeyError as error:
        raise Failure(
            exit_codes.BAD_REQUEST, f"task {request.index}: there is no column {error}; it has: {', '.join(row)}"
        ) from error
    inputs = tuple(
        Input.of({"uri": cell} if cell.startswith("s3://") else json.loads(cell), name)
        for name, cell in placeholders.with_role(row, "--input").items()
    )
    environment = {**request.environment, **placeholders.with_role(row, "--setenv")}
    outputs = placeholders.with_role(row, "--output")
    uris = {name: cell for name, cell in outputs.items() if cell.startswith("s3://")}
    filled = replace(
        request,
        inputs=request.inputs + inputs,
        environment=environment,
        outputs=request.outputs + tuple(outputs),
        files={name: cell for name, cell in outputs.items() if name not in uris},
        destinations={**destinations, **uris},
    )
    return filled, command


def _row(line: bytes) -> Row:
    if not line.startswith(b"{"):
        raise ValueError("expected one JSON object for each task")
    return json.loads(line)


def _refused(context: JobContext, positions: range, why: str) -> Failure:
    where = f"s3://{context.bucket}/{context.paths.tasks}, lines {positions.start + 1} to {positions.stop}"
    return Failure(exit_codes.BAD_REQUEST, f"{where}: {why}")
