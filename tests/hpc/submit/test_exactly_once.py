"""No part of a run is lost and none runs twice, whatever fails: the model of docs/exactly-once.md."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from hpc.aws.environment import Environment
from hpc.plan import run_request
from hpc.runs import claims, records
from hpc.submit import job_sender
from tests.hpc.fakes.processes import Process, Time
from tests.hpc.submit import protocol_machine
from tests.hpc.submit.protocol_machine import CHILDREN, ExactlyOnce


@pytest.fixture(autouse=True)
def _world(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(job_sender, "time", Time)
    monkeypatch.setattr(claims, "time", Time)
    monkeypatch.setattr(run_request, "MAX_ARRAY", CHILDREN)
    monkeypatch.setattr(records, "save", lambda record: Process.current.state.update({record.run_id: record}))
    monkeypatch.setattr(records, "load", lambda _, run_id: Process.current.state.get(run_id))
    protocol_machine.ENVIRONMENT[:] = [environment]
    yield
    protocol_machine.ENVIRONMENT.clear()


def run(examples: int = 100) -> None:
    run_state_machine_as_test(
        ExactlyOnce,
        settings=settings(
            max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_no_part_is_lost_and_none_runs_twice() -> None:
    run()
