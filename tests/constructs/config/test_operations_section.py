"""The section `operations` of an environment's file."""

import pytest

from hpc_constructs.config import ConfigError, parse


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, file="environments/x.yaml", name="x")
    (problem,) = caught.value.problems
    return str(problem)


def test_without_a_word_nothing_costs_or_writes_to_anybody() -> None:
    operations = parse("", file="environments/x.yaml", name="x").operations
    assert (operations.emails, operations.budget_monthly_usd) == ((), None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("emails: [team]", "operations.emails[0]: 'team' given; allowed: an address such as hpc-team@example.com"),
        ("emails: [a@b.co, a@b.co]", "allowed: each entry once"),
        ("emails: a@b.co", "operations.emails: 'a@b.co' given; allowed: a list"),
        ("history_retention_days: 31", "31 given; allowed: 1, 3, 5, "),
        ("history_retention_days: 31", "fix: change it, or remove it for the default, 365"),
        ("alarm_failed_jobs: 0", "allowed: at least 1"),
        ("alarm_wait_minutes: 1441", "allowed: at most 1440"),
        ("budget_monthly_usd: 99.5", "operations.budget_monthly_usd: 99.5 given; allowed: a whole number"),
        ("budget_alert_percents: []", "allowed: at least 1 of them"),
        ("budget_alert_percents: [0]", "operations.budget_alert_percents[0]: 0 given; allowed: at least 1"),
        ("dashbord: false", "unknown key 'dashbord' given; allowed: emails, "),
        ("dashbord: false", "fix: write 'dashboard'"),
    ],
)
def test_a_mistake_says_what_is_allowed(text: str, expected: str) -> None:
    said = complaint(f"operations:\n  {text}\n")
    assert said.startswith("environments/x.yaml:2: ")
    assert expected in said
