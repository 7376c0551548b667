"""Rows of this container's tasks, read with two small requests from the object that contains all rows of the run."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace

from hpc.contract import exit_codes, placeholders
from hpc.contract.run_request import InputReference
from hpc.contract.task_layout import TASK_OFFSET
from hpc.node.failure import Failure
from hpc.node.job_context import JobContext
from hpc.node.s3.client import S3, S3Error
from hpc.node.task import Task

Row = dict[str, str]
"""Cells of a row by the header of their column."""


def read(s3: S3, context: JobContext, positions: range) -> list[Row]:
    """Return the rows at consecutive positions.

    Raises:
        Failure: they do not exist, or S3 does not answer.
    """
    try:
        return [_row(line) for line in _lines(s3, context, positions)]
    except S3Error as error:
        code = exit_codes.BAD_REQUEST if error.status in {403, 404, 416} else exit_codes.STAGE_IN
        raise Failure(code, f"cannot read the rows of this container's tasks: {error}") from error
    except ValueError as error:
        where = f"s3://{context.bucket}/{context.paths.tasks}, lines {positions.start + 1} to {positions.stop}"
        raise Failure(exit_codes.BAD_REQUEST, f"{where}: {error}") from error


def _lines(s3: S3, context: JobContext, positions: range) -> list[bytes]:
    paths, bucket, size = context.paths, context.bucket, TASK_OFFSET.size
    try:
        index = s3.get(bucket, paths.tasks_index, positions.start * size, (positions.stop + 1) * size)
    except S3Error as error:
        if error.status not in {403, 404}:
            raise
        # Clients before contract 1.2 may not have written the index; then all rows are read.
        lines = s3.get(bucket, paths.tasks).splitlines()[positions.start : positions.stop]
        if len(lines) < len(positions):
            raise ValueError("the object ends before these lines") from None
        return lines
    offsets = [offset for (offset,) in TASK_OFFSET.iter_unpack(index[: len(index) // size * size])]
    if len(offsets) != len(positions) + 1:
        raise ValueError(f"the index {paths.tasks_index} ends before these lines")
    rows = s3.get(bucket, paths.tasks, offsets[0], offsets[-1])
    return [rows[start - offsets[0] : stop - offsets[0]] for start, stop in itertools.pairwise(offsets)]


def fill(task: Task, row: Row, argv: Sequence[str]) -> tuple[Task, list[str]]:
    """Return the task and its command with the values of the row.

    Raises:
        Failure: the command refers to a column that the row does not have.
    """
    request, plain = task.request, placeholders.plain(row)
    try:
        command = [placeholders.substitute(word, plain) for word in argv]
        destinations = {name: placeholders.substitute(uri, plain) for name, uri in request.destinations.items()}
    except KeyError as error:
        raise Failure(
            exit_codes.BAD_REQUEST,
            f"task {task.index}: the tasks file has no column {error}; its columns are {', '.join(row)}",
        ) from error
    inputs = tuple(
        InputReference.from_json({"uri": cell} if cell.startswith("s3://") else json.loads(cell), name)
        for name, cell in placeholders.with_role(row, "--input").items()
    )
    outputs = placeholders.with_role(row, "--output")
    uris = {name: cell for name, cell in outputs.items() if cell.startswith("s3://")}
    filled = replace(
        request,
        inputs=request.inputs + inputs,
        environment={**request.environment, **placeholders.with_role(row, "--setenv")},
        outputs=request.outputs + tuple(outputs),
        destinations={**destinations, **uris},
    )
    files = {name: cell for name, cell in outputs.items() if name not in uris}
    return replace(task, request=filled, files=files), command


def _row(line: bytes) -> Row:
    if not line.startswith(b"{"):
        raise ValueError("expected one JSON object per task")
    # Contract 1.0 stored the cells of a JSONL file unchanged, so they may be of any JSON type.
    return {name: cell if isinstance(cell, str) else json.dumps(cell) for name, cell in json.loads(line).items()}
