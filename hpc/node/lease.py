"""One Batch job is a part of a run, and one attempt at a time runs a task of it: S3 lets one writer win.

S3 refuses a write whose condition does not hold
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
"""

from __future__ import annotations

import json
from typing import Any

from hpc import contract
from hpc.node.failure import Failure
from hpc.node.place import Place
from hpc.node.s3 import S3, S3Error

_TRIES = 20
"""Each is lost only to a writer that won, and the first container that wins ends it."""


def take(s3: S3, place: Place) -> None:
    """Take the lease of this task, or take it over from an earlier attempt of the same Batch job.

    Raises:
        Failure: another job, or a later attempt, holds it; or S3 does not answer.
    """
    try:
        job_id = place.job_id.partition(":")[0]  # child k of an array is `<job id>:<k>`
        holder = _job_of_part(s3, place, job_id)
        if holder != job_id:
            raise Failure(
                contract.EXIT_DUPLICATE,
                f"part {place.part} of the run is job {holder}; this one, {job_id}, is a duplicate and does nothing",
            )
        _take_task(s3, place)
    except S3Error as error:
        raise Failure(contract.EXIT_STAGE_IN, f"cannot take the lease of this task: {error}") from error


def _job_of_part(s3: S3, place: Place, job_id: str) -> str:
    """Return the Batch job that is this part: what the submitter wrote, or `job_id` if it did not live to do so."""
    key = place.paths.job(place.part)
    for _ in range(_TRIES):
        found = s3.get_tagged(place.bucket, key)
        claim: dict[str, Any] = json.loads(found[0]) if found else {"by": "", "sends": 1}
        if claim.get("job_id"):
            return claim["job_id"]
        mine = json.dumps(claim | {"job_id": job_id}).encode()
        if s3.replace(place.bucket, key, mine, found[1]) if found else s3.create(place.bucket, key, mine):
            return job_id
    raise Failure(contract.EXIT_STAGE_IN, f"s3://{place.bucket}/{key} names no job and cannot be written")


def _take_task(s3: S3, place: Place) -> None:
    key = place.paths.lease(place.part, place.array_index)
    mine = json.dumps({"job_id": place.job_id, "attempt": place.attempt}).encode()
    if s3.create(place.bucket, key, mine):
        return
    holder = json.loads(s3.get(place.bucket, key))
    if holder["job_id"] == place.job_id and holder["attempt"] < place.attempt:
        s3.put(place.bucket, key, mine)
    elif holder != json.loads(mine):  # equal when the answer to our own first write was lost
        raise Failure(
            contract.EXIT_DUPLICATE,
            f"task {place.array_index} of part {place.part} is held by attempt {holder['attempt']} "
            f"of job {holder['job_id']}; this is attempt {place.attempt} of {place.job_id} and does nothing",
        )
