"""Scheduling policies, and the time limits of jobs that block a queue."""

from __future__ import annotations

import re

from localcloud.batch.errors import BatchError
from localcloud.batch.model import Queue, State
from localcloud.json_types import Json

TIME_LIMIT_REASONS = (
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
    "MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED",
)
"""https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_time_limit_actions.html"""


def check_fair_share(policy: Json) -> None:
    """Check a policy (https://docs.aws.amazon.com/batch/latest/APIReference/API_FairsharePolicy.html)."""
    if not 0 <= policy.get("shareDecaySeconds", 0) <= 604_800:
        raise BatchError("shareDecaySeconds must be between 0 and 604800")
    if not 0 <= policy.get("computeReservation", 0) <= 99:
        raise BatchError("computeReservation must be between 0 and 99")
    entries = policy.get("shareDistribution", [])
    if len(entries) > 500:
        raise BatchError("shareDistribution takes at most 500 entries")
    names = [entry["shareIdentifier"] for entry in entries]
    for entry in entries:
        name = entry["shareIdentifier"]
        if not re.fullmatch(r"[A-Za-z0-9]{1,255}\*?", name):
            raise BatchError(f"shareIdentifier {name!r}: up to 255 letters and digits, then *")
        if not 0.0001 <= entry.get("weightFactor", 1) <= 999.9999:
            raise BatchError("weightFactor must be between 0.0001 and 999.9999")
        if sum(_covers(other, name.rstrip("*")) for other in names) > 1:
            raise BatchError(f"shareDistribution: {name!r} overlaps with another share identifier")


def _covers(pattern: str, share: str) -> bool:
    return share.startswith(pattern[:-1]) if pattern.endswith("*") else share == pattern


def weight(state: State, queue: Queue, share: str) -> float:
    """Return the weight factor of a share: the lower, the more capacity it gets."""
    policy = state.policies[queue.detail["schedulingPolicyArn"]] if queue.fair_share else {}
    for entry in policy.get("fairsharePolicy", {}).get("shareDistribution", []):
        if _covers(entry["shareIdentifier"], share):
            return float(entry.get("weightFactor", 1))
    return 1.0


def check_time_limits(actions: list[Json]) -> list[Json]:
    """Check time limits (https://docs.aws.amazon.com/batch/latest/APIReference/API_JobStateTimeLimitAction.html)."""
    for action in actions:
        if action["state"] != "RUNNABLE" or action["action"] != "CANCEL":
            raise BatchError("jobStateTimeLimitActions: state must be RUNNABLE, and action CANCEL")
        if not 600 <= action["maxTimeSeconds"] <= 86_400:
            raise BatchError(f"maxTimeSeconds {action['maxTimeSeconds']} must be between 600 and 86400")
        if action["reason"] not in TIME_LIMIT_REASONS:
            raise BatchError(f"reason {action['reason']!r} must be one of {', '.join(TIME_LIMIT_REASONS)}")
    return actions


def time_limit_s(queue: Queue, reason: str | None) -> int | None:
    """Return the time that a job may block the queue for the reason; None if it is unlimited."""
    found = (item["maxTimeSeconds"] for item in queue.detail["jobStateTimeLimitActions"] if item["reason"] == reason)
    return next(found, None)
