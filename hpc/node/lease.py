"""One Batch job runs a task, and only once at a time: the first to write the lease holds it.

S3 refuses the second writer
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
"""

from __future__ import annotations

import json

from hpc import contract
from hpc.node.failure import Failure
from hpc.node.place import Place
from hpc.node.s3 import S3, S3Error


def take(s3: S3, place: Place) -> None:
    """Take the lease of this task, or take it over from an earlier attempt of the same Batch job.

    Raises:
        Failure: another job, or a later attempt, holds it; or S3 does not answer.
    """
    key = place.paths.lease(place.part, place.array_index)
    mine = json.dumps({"job_id": place.job_id, "attempt": place.attempt}).encode()
    try:
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
    except S3Error as error:
        raise Failure(contract.EXIT_STAGE_IN, f"cannot take the lease of this task: {error}") from error
