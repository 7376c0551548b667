"""Leases of tasks: one Batch job runs a part of a run, and one attempt at a time runs a task of it.

One writer wins, since S3 refuses a write whose condition is not met
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
"""

from __future__ import annotations

from dataclasses import replace

from hpc.contract import exit_codes
from hpc.contract.claim import Claim, Lease
from hpc.node.failure import Failure
from hpc.node.job_context import JobContext
from hpc.node.s3.client import S3, S3Error

_TRIES = 20
"""Attempts to write the claim. An attempt fails only if another writer won, and no write follows a container's."""


def take(s3: S3, context: JobContext) -> None:
    """Take the lease of this task, possibly over from an earlier attempt of the same Batch job.

    Raises:
        Failure: another job or a later attempt holds it, or S3 does not answer.
    """
    try:
        job_id = context.job_id.partition(":")[0]  # child k of an array is `<job id>:<k>`
        holder = _job_of_part(s3, context, job_id)
        if holder != job_id:
            raise Failure(
                exit_codes.DUPLICATE,
                f"part {context.part} of the run is job {holder}; this one, {job_id}, is a duplicate and does nothing",
            )
        _take_task(s3, context)
    except S3Error as error:
        raise Failure(exit_codes.STAGE_IN, f"cannot take the lease of this task: {error}") from error


def _job_of_part(s3: S3, context: JobContext, job_id: str) -> str:
    """Return the Batch job that runs this part: the one in the claim, or `job_id` if the submitter died before it
    wrote one."""
    key = context.paths.job(context.part)
    for _ in range(_TRIES):
        stored = s3.get_tagged(context.bucket, key)
        claim = Claim.from_bytes(stored[0]) if stored else Claim(sends=1)
        if claim.job_id:
            return claim.job_id
        mine = replace(claim, job_id=job_id).to_bytes()
        if s3.replace(context.bucket, key, mine, stored[1]) if stored else s3.create(context.bucket, key, mine):
            return job_id
    raise Failure(
        exit_codes.STAGE_IN,
        f"s3://{context.bucket}/{key} names no job and could not be written in {_TRIES} attempts",
    )


def _take_task(s3: S3, context: JobContext) -> None:
    key = context.paths.lease(context.part, context.array_index)
    mine = Lease(job_id=context.job_id, attempt=context.attempt)
    if s3.create(context.bucket, key, mine.to_bytes()):
        return
    holder = Lease.from_bytes(s3.get(context.bucket, key))
    if holder.job_id == mine.job_id and holder.attempt < mine.attempt:
        s3.put(context.bucket, key, mine.to_bytes())
    elif holder != mine:  # equal if the answer to this attempt's own write was lost
        raise Failure(
            exit_codes.DUPLICATE,
            f"task {context.array_index} of part {context.part} is held by attempt {holder.attempt}"
            f" of job {holder.job_id}; this is attempt {context.attempt} of {context.job_id} and does nothing",
        )
