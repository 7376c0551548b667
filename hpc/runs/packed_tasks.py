"""Results of the tasks in packed children: AWS Batch knows only the child, the tasks' results are in S3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpc.aws.clients import error_code
from hpc.aws.jobs import Job
from hpc.contract.s3_keys import RunPaths
from hpc.contract.task_status import TaskStatus
from hpc.runs.records import Record

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client


@dataclass(frozen=True, kw_only=True)
class PackedTask:
    """A task of a child that runs several tasks."""

    index: int
    job_id: str
    """Of the child."""
    exit_code: int | None
    """None if it has not ended."""
    reason: str


def of_child(s3: S3Client, bucket: str, record: Record, job_id: str) -> Iterator[PackedTask]:
    """Yield the tasks of a child in order."""
    location = record.child(job_id)
    if location is None:
        return
    part, child = location
    paths = RunPaths(project=record.project, run_id=record.run_id)
    ended = _read(s3, bucket, paths.pack_status(record.parts[part].number, child))
    for position in record.layout.positions(part, child):
        index = record.layout.index(position)
        status = ended.get(index)
        if status is None:
            yield PackedTask(index=index, job_id=job_id, exit_code=None, reason="has not ended")
        else:
            yield PackedTask(index=index, job_id=job_id, exit_code=status.exit_code, reason=status.reason)


def failed(s3: S3Client, bucket: str, record: Record, children: list[Job], most: int) -> list[PackedTask]:
    """Return the first `most` tasks of failed children whose exit code is not 0."""
    tasks = list[PackedTask]()
    for child in children:
        if len(tasks) < most:
            tasks += [task for task in of_child(s3, bucket, record, child.job_id) if task.exit_code != 0]
    return tasks[:most]


def _read(s3: S3Client, bucket: str, key: str) -> dict[int, TaskStatus]:
    try:
        text = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.ClientError as error:
        if error_code(error) == "NoSuchKey":
            return {}  # no task of it has ended
        raise
    statuses = (TaskStatus.from_json(json.loads(line)) for line in text.splitlines())
    return {status.index: status for status in statuses}
