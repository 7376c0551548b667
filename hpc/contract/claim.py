"""Claims on the parts and tasks of a run: objects in S3 that exactly one writer wins (docs/exactly-once.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The Batch job that runs a part of a run: `leases/<part>/job`."""

    job_id: str | None = None
    """None while the job is being submitted."""
    by: str = ""
    """The process that submits it; empty if none does."""
    sends: int = 0
    """Number of SubmitJob calls that may have been accepted; above 1 there may be an extra job."""
    write: str = ""
    """Different for each write, so that a writer that lost the answer recognizes its own write."""

    def to_bytes(self) -> bytes:
        mark = {"write": self.write} if self.write else {}
        return json.dumps({"job_id": self.job_id, "by": self.by, "sends": self.sends, **mark}).encode()

    @classmethod
    def from_bytes(cls, text: bytes) -> Claim:
        """Read a claim.

        Raises:
            ValueError, KeyError, TypeError: the text is not a claim.
        """
        raw: Mapping[str, Any] = json.loads(text)
        job_id = raw.get("job_id")
        return cls(
            job_id=None if job_id is None else str(job_id),
            by=str(raw["by"]),
            sends=int(raw["sends"]),
            write=str(raw.get("write", "")),
        )


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The Batch job and attempt that run a task: `leases/<part>/<child>`."""

    job_id: str
    attempt: int

    def to_bytes(self) -> bytes:
        return json.dumps({"job_id": self.job_id, "attempt": self.attempt}).encode()

    @classmethod
    def from_bytes(cls, text: bytes) -> Lease:
        """Read a lease.

        Raises:
            ValueError, KeyError, TypeError: the text is not a lease.
        """
        raw: Mapping[str, Any] = json.loads(text)
        return cls(job_id=str(raw["job_id"]), attempt=int(raw["attempt"]))
