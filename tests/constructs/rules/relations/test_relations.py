"""Each rule in Python is tripped by an edit of the good templates, and no other rule is."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from hpc_constructs.rules import relations
from hpc_constructs.rules.finding import CHECKS
from tests.constructs.rules.relations import network
from tests.constructs.rules.relations.cases import CASES, Spoil

MODULES = sorted({check.__module__.removeprefix(f"{relations.__name__}.") for check in CHECKS.values()})
for name in MODULES:
    import_module(f"tests.constructs.rules.relations.{name}")


@pytest.mark.parametrize(("rule", "spoil"), [pytest.param(*case, id=f"{case[0]} {case[1].__name__}") for case in CASES])
def test_an_edit_trips_exactly_its_rule(rule: str, spoil: Spoil, edit: Any, found: Callable[[Any], set[str]]) -> None:
    spoil(edit)
    assert found(edit) == {rule}


@pytest.mark.parametrize("module", MODULES)
def test_every_rule_has_a_case(module: str) -> None:
    rules = {rule for rule, check in CHECKS.items() if check.__module__ == f"{relations.__name__}.{module}"}
    assert {rule for rule, spoil in CASES if spoil.__module__.endswith(f".{module}")} == rules != set()


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://s3.us-east-1.amazonaws.com/tools/agent.sh",
        "https://tools.s3.us-east-1.amazonaws.com/agent.sh",
    ],
)
def test_user_data_may_fetch_from_the_instance_and_from_s3(
    address: str, edit: Any, found: Callable[[Any], set[str]]
) -> None:
    network.without_internet(edit, f"curl {address}")
    assert found(edit) == set()
