"""How the tasks of packed children ended: AWS Batch knows the child alone, its tasks are told in S3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpc.aws.clients import error_code
from hpc.aws.jobs import Job
from hpc.contract.paths import RunPaths
from hpc.contract.task_status import TaskStatus
from hpc.runs.records import Record

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client


@dataclass(frozen=True, kw_only=True)
class Row:
    """A task of a child that runs several."""

    index: int
    job_id: str
    """Of the child."""
    exit_code: int | None
    """None: it has not ended."""
    reason: str


def of_child(s3: S3Client, bucket: str, record: Record, job_id: str) -> Iterator[Row]:
    """Yield the tasks of a child in their order."""
    found = record.child(job_id)
    if found is None:
        return
    part, child = found
    paths = RunPaths(project=record.project, run_id=record.run_id)
    ended = _read(s3, bucket, paths.pack_status(record.parts[part].number, child))
    for position in record.layout.positions(part, child):
        index = record.layout.index(position)
        status = ended.get(index)
        if status is None:
            yield Row(index=index, job_id=job_id, exit_code=None, reason="has not ended")
        else:
            yield Row(index=index, job_id=job_id, exit_code=status.exit_code, reason=status.reason)


def failed(s3: S3Client, bucket: str, record: Record, children: list[Job], most: int) -> list[Row]:
    """Return the first tasks of failed children that have no exit code 0."""
    found = list[Row]()
    for child in children:
        if len(found) < most:
            found += [row for row in of_child(s3, bucket, record, child.job_id) if row.exit_code != 0]
    return found[:most]


def _read(s3: S3Client, bucket: str, key: str) -> dict[int, TaskStatus]:
    try:
        text = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.ClientError as error:
        if error_code(error) == "NoSuchKey":
            return {}  # no task of it has ended
        raise
    statuses = (TaskStatus.from_json(json.loads(line)) for line in text.splitlines())
    return {status.index: status for status in statuses}
