"""What the nodes of a multi-node job leave for each other in S3: `rendezvous/<part>/<attempt>[-node-<k>].json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RendezvousNote:
    """The main node's: how to reach it, or why the job has ended."""

    job_id: str
    address: str = ""
    """IPv4."""
    port: int = 0
    token: str = ""
    """Secret of this job and attempt; the job role alone can read it."""
    ended: str = ""
    """Why the job has ended; empty while it goes on."""

    def to_bytes(self) -> bytes:
        said = (
            {"ended": self.ended} if self.ended else {"address": self.address, "port": self.port, "token": self.token}
        )
        return json.dumps({"job_id": self.job_id, **said}).encode()

    @classmethod
    def from_bytes(cls, text: bytes) -> RendezvousNote:
        """Read a note.

        Raises:
            ValueError, KeyError, TypeError: the text is something else.
        """
        raw: Mapping[str, Any] = json.loads(text)
        if raw.get("ended"):
            return cls(job_id=str(raw["job_id"]), ended=str(raw["ended"]))
        return cls(
            job_id=str(raw["job_id"]), address=str(raw["address"]), port=int(raw["port"]), token=str(raw["token"])
        )


@dataclass(frozen=True, kw_only=True)
class AbsenceNote:
    """Another node's: why it does not come."""

    job_id: str
    node: int
    failed: str
    exit_code: int

    def to_bytes(self) -> bytes:
        return json.dumps(vars(self)).encode()

    @classmethod
    def from_bytes(cls, text: bytes) -> AbsenceNote:
        """Read a note.

        Raises:
            ValueError, KeyError, TypeError: the text is something else.
        """
        raw: Mapping[str, Any] = json.loads(text)
        return cls(
            job_id=str(raw["job_id"]),
            node=int(raw["node"]),
            failed=str(raw["failed"]),
            exit_code=int(raw["exit_code"]),
        )
