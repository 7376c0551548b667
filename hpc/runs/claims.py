"""Which Batch job is a part of a run: one object in S3 says it, and S3 lets one writer win.

A submitter claims the part before it calls SubmitJob and adds the job id after; a container adds its own id where the
submitter died in between. Each write is conditional on what the writer has read
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html), so that a job id, once written, stays.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from hpc.aws.clients import error_code
from hpc.contract.claim import Claim

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

_LOST = "PreconditionFailed"
"""Somebody else wrote first."""
_CONFLICT = "ConditionalRequestConflict"
"""Somebody else is writing: nothing need be there yet, and S3 wants the request again."""
_CONFLICTS = 5
ABSENT = ("NoSuchKey", "AccessDenied")
"""S3 answers the second for an absent key where listing is limited to a prefix."""


def put_if(s3: S3Client, **request: Any) -> str | None:
    """Write an object whose request has a condition; return its ETag, or None if somebody else wrote first."""
    from botocore.exceptions import ClientError

    conflicts = 0
    while True:
        try:
            return s3.put_object(**request)["ETag"]
        except ClientError as error:
            if error_code(error) == _LOST:
                return None
            if error_code(error) != _CONFLICT or conflicts == _CONFLICTS:
                raise
        time.sleep(0.1 * 2**conflicts)
        conflicts += 1


@dataclass(frozen=True, kw_only=True)
class HeldClaim(Claim):
    """A claim as it was found in S3."""

    etag: str = ""
    """Empty where there is no object."""
    age_s: float = 0.0
    """By the clock of S3: that of this machine may be wrong."""


@dataclass(frozen=True)
class Claims:
    """Reads and writes the claims of one process."""

    s3: S3Client
    bucket: str
    me: str

    @classmethod
    def of_this_process(cls, s3: S3Client, bucket: str) -> Claims:
        return cls(s3, bucket, secrets.token_hex(8))

    def read(self, key: str) -> HeldClaim:
        """Return what the object says; a claim without ETag if it is not there."""
        from botocore.exceptions import ClientError

        try:
            answer = self.s3.get_object(Bucket=self.bucket, Key=key)
            found = Claim.from_bytes(answer["Body"].read())
        except ClientError as error:
            if error_code(error) in ABSENT:
                return HeldClaim()
            raise
        now = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
        then = answer["LastModified"]
        age_s = ((parsedate_to_datetime(now) if now else datetime.now(UTC)) - then).total_seconds()
        return HeldClaim(**vars(found), etag=answer["ETag"], age_s=age_s)

    def write(
        self, key: str, before: HeldClaim, *, job_id: str | None = None, sends: int, free: bool = False
    ) -> HeldClaim | None:
        """Replace what was read before; return None if somebody else has written since."""
        claim = Claim(job_id=job_id, by="" if free else self.me, sends=sends, write=secrets.token_hex(4))
        body = claim.to_bytes()
        condition: dict[str, Any] = {"IfMatch": before.etag} if before.etag else {"IfNoneMatch": "*"}
        etag = put_if(self.s3, Bucket=self.bucket, Key=key, Body=body, **condition)
        if etag is None:
            answer = self.s3.get_object(Bucket=self.bucket, Key=key)
            if answer["Body"].read() != body:  # equal when the answer to our own first try was lost
                return None
            etag = answer["ETag"]
        return HeldClaim(**vars(claim), etag=etag)
