"""Retry strategies (https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html)."""

from __future__ import annotations

from localcloud.batch.model import Attempt
from localcloud.json_types import Json


def matches(pattern: str, text: str) -> bool:
    """Return whether the pattern matches: equal, or equal up to a final asterisk."""
    if pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    return text == pattern


def wants_retry(strategy: Json, attempt: Attempt) -> bool:
    """Return whether the rules retry a failed attempt, regardless of how many attempts are left.

    The first rule whose conditions all hold decides; without one, the job is retried
    (https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html).
    """
    facts = {
        "onExitCode": "" if attempt.exit_code is None else str(attempt.exit_code),
        "onReason": attempt.reason or "",
        "onStatusReason": attempt.status_reason or "",
    }
    for rule in strategy.get("evaluateOnExit", []):
        if all(matches(rule[name], fact) for name, fact in facts.items() if name in rule):
            return rule["action"].upper() == "RETRY"
    return True
