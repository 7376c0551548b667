"""The result of a task: `status/<task>.json`, or a line of the object that a child with several tasks writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class StoredOutput:
    """An output of a task, as stored in S3."""

    key: str
    size: int
    """Bytes."""


@dataclass(frozen=True, kw_only=True)
class TaskStatus:
    """Result of a task; written last, after all outputs of the task."""

    index: int
    """Number of the task within the run."""
    job_id: str
    attempt: int
    exit_code: int
    reason: str
    """Why the task failed; empty if it succeeded."""
    started_at: str
    """ISO 8601, UTC."""
    stopped_at: str
    instance: Mapping[str, str] | None = None
    """Instance type, zone and purchasing option; None if the instance does not report them."""
    phases: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Files, bytes and seconds of each staging phase, and the seconds that the command ran."""
    outputs: tuple[StoredOutput, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"outputs": [vars(output) for output in self.outputs]}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> TaskStatus:
        """Read a status of any contract version; unknown keys are ignored.

        Raises:
            ValueError, KeyError, TypeError: it does not match the contract; the message names the key.
        """
        outputs = (StoredOutput(key=str(item["key"]), size=int(item["size"])) for item in raw.get("outputs", ()))
        return cls(
            index=int(raw["index"]),
            job_id=str(raw["job_id"]),
            attempt=int(raw["attempt"]),
            exit_code=int(raw["exit_code"]),
            reason=str(raw.get("reason", "")),
            started_at=str(raw.get("started_at", "")),
            stopped_at=str(raw.get("stopped_at", "")),
            instance=raw.get("instance"),
            phases=raw.get("phases") or {},
            outputs=tuple(outputs),
        )
