"""Notes that the nodes of a multi-node job exchange through S3: `rendezvous/<part>/<attempt>[-node-<k>].json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RendezvousNote:
    """Note of the main node: its address, or the reason why the job has ended."""

    job_id: str
    address: str = ""
    """IPv4."""
    port: int = 0
    token: str = ""
    """Secret of this job and attempt; only the job role can read it."""
    ended: str = ""
    """Reason why the job has ended; empty while it runs."""

    def to_bytes(self) -> bytes:
        if self.ended:
            return json.dumps({"job_id": self.job_id, "ended": self.ended}).encode()
        location = {"address": self.address, "port": self.port, "token": self.token}
        return json.dumps({"job_id": self.job_id, **location}).encode()

    @classmethod
    def from_bytes(cls, text: bytes) -> RendezvousNote:
        """Read a note.

        Raises:
            ValueError, KeyError, TypeError: the text is not such a note.
        """
        raw: Mapping[str, Any] = json.loads(text)
        if raw.get("ended"):
            return cls(job_id=str(raw["job_id"]), ended=str(raw["ended"]))
        return cls(
            job_id=str(raw["job_id"]), address=str(raw["address"]), port=int(raw["port"]), token=str(raw["token"])
        )


@dataclass(frozen=True, kw_only=True)
class AbsenceNote:
    """Note of a node that cannot join the job: the reason."""

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
            ValueError, KeyError, TypeError: the text is not such a note.
        """
        raw: Mapping[str, Any] = json.loads(text)
        return cls(
            job_id=str(raw["job_id"]),
            node=int(raw["node"]),
            failed=str(raw["failed"]),
            exit_code=int(raw["exit_code"]),
        )
