from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.batch.model import Attempt
from localcloud.batch.retry import matches, wants_retry

TEXT = st.text(string.ascii_letters + string.digits + ".: ", min_size=1, max_size=20)
CONDITIONS = {"onExitCode": "exit_code", "onReason": "reason", "onStatusReason": "status_reason"}


def attempt(exit_code: int | None = 1, reason: str | None = None, status_reason: str | None = "x") -> Attempt:
    return Attempt("task", exit_code=exit_code, reason=reason, status_reason=status_reason)


@given(TEXT, TEXT)
def test_a_pattern_without_asterisk_matches_itself_only(pattern: str, text: str) -> None:
    assert matches(pattern, text) == (pattern == text)


@given(TEXT, TEXT)
def test_a_final_asterisk_matches_any_rest(prefix: str, rest: str) -> None:
    assert matches(prefix + "*", prefix + rest)
    assert not matches(prefix + "*", "-" + prefix + rest)


def test_without_rules_a_failure_is_retried() -> None:
    assert wants_retry({"attempts": 2}, attempt())


@pytest.mark.parametrize("action", ["RETRY", "retry", "EXIT"])
def test_the_first_matching_rule_decides(action: str) -> None:
    other = "EXIT" if action.upper() == "RETRY" else "RETRY"
    rules = [
        {"onExitCode": "2", "action": other},
        {"onExitCode": "1*", "action": action},
        {"onExitCode": "1", "action": other},
    ]
    assert wants_retry({"evaluateOnExit": rules}, attempt(exit_code=137)) == (action.upper() == "RETRY")


def test_all_conditions_of_a_rule_must_hold() -> None:
    rules = [{"onExitCode": "1", "onStatusReason": "Host EC2*", "action": "EXIT"}]
    assert wants_retry({"evaluateOnExit": rules}, attempt(status_reason="Essential container in task exited"))
    assert not wants_retry({"evaluateOnExit": rules}, attempt(status_reason="Host EC2 (instance i-1) terminated."))


def test_without_a_match_a_failure_is_retried() -> None:
    assert wants_retry({"evaluateOnExit": [{"onReason": "OutOfMemory*", "action": "EXIT"}]}, attempt())


def test_an_asterisk_alone_matches_an_absent_reason() -> None:
    assert not wants_retry({"evaluateOnExit": [{"onReason": "*", "action": "EXIT"}]}, attempt(reason=None))


@given(st.lists(st.sampled_from(["RETRY", "EXIT"]), max_size=5), st.integers(0, 255))
def test_rules_behind_one_that_matches_everything_do_not_count(actions: list[str], code: int) -> None:
    rules = [{"onExitCode": "*", "action": "EXIT"}, *({"onReason": "*", "action": action} for action in actions)]
    assert not wants_retry({"evaluateOnExit": rules}, attempt(exit_code=code))
