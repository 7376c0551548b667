"""Who is a part of a run, and who runs a task: objects in S3 that one writer wins (docs/exactly-once.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Which Batch job is a part of a run: `leases/<part>/job`."""

    job_id: str | None = None
    """None while it is being sent."""
    by: str = ""
    """The process that sends it; empty when none does."""
    sends: int = 0
    """Calls of SubmitJob that may have been accepted; above 1 there may be an extra job."""
    write: str = ""
    """Different for each write, so that a writer whose answer was lost knows its own."""

    def to_bytes(self) -> bytes:
        mark = {"write": self.write} if self.write else {}
        return json.dumps({"job_id": self.job_id, "by": self.by, "sends": self.sends, **mark}).encode()

    @classmethod
    def from_bytes(cls, text: bytes) -> Claim:
        """Read a claim.

        Raises:
            ValueError, KeyError, TypeError: the text is something else.
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
    """Which attempt of which Batch job runs a task: `leases/<part>/<child>`."""

    job_id: str
    attempt: int

    def to_bytes(self) -> bytes:
        return json.dumps({"job_id": self.job_id, "attempt": self.attempt}).encode()

    @classmethod
    def from_bytes(cls, text: bytes) -> Lease:
        """Read a lease.

        Raises:
            ValueError, KeyError, TypeError: the text is something else.
        """
        raw: Mapping[str, Any] = json.loads(text)
        return cls(job_id=str(raw["job_id"]), attempt=int(raw["attempt"]))
