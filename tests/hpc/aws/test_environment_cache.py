"""The published environment is cached for a minute, and discarded if it misleads."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from hpc import JobSpec
from hpc.aws.clients import Clients
from hpc.aws.environment import Environment
from hpc.aws.environment_cache import MAX_AGE_S, EnvironmentCache
from hpc.cluster import Cluster
from hpc.contract import objects
from hpc.errors import BadInput


class ParameterStore:
    """Answers as SSM does, and counts."""

    def __init__(self, environment: Environment) -> None:
        self.asked = 0
        self.parameters = {"meta": environment.meta}
        self.parameters |= {f"queues/{item.name}": item for item in environment.queues.values()}
        self.parameters |= {f"projects/{item.name}": item for item in environment.projects.values()}
        self.parameters |= {
            f"definitions/{item.project}/{item.name}": item for item in environment.definitions.values()
        }

    def get_paginator(self, _operation: str) -> ParameterStore:
        return self

    def paginate(self, **_criteria: Any) -> list[dict[str, Any]]:
        self.asked += 1
        return [
            {
                "Parameters": [
                    {"Name": f"/hpc/dev/{name}", "Value": json.dumps(objects.to_json(item))}
                    for name, item in self.parameters.items()
                ]
            }
        ]


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture
def store(environment: Environment) -> ParameterStore:
    return ParameterStore(environment)


def _cluster(store: ParameterStore) -> Cluster:
    clients = Clients()
    clients.__dict__["ssm"] = store  # in place of what boto3 makes
    return Cluster(clients, "dev")


def test_the_next_command_does_not_ask_again(store: ParameterStore) -> None:
    first, second = _cluster(store).environment, _cluster(store).environment
    assert store.asked == 1
    assert second.queues == first.queues
    assert second.definitions == first.definitions


def test_who_submits_asks_again(store: ParameterStore) -> None:
    _cluster(store).environment  # noqa: B018
    cluster = _cluster(store)
    cluster.renew()
    assert not cluster.environment.remembered
    assert store.asked == 2


def test_it_asks_again_after_a_minute(store: ParameterStore) -> None:
    cluster = _cluster(store)
    cluster.environment  # noqa: B018
    then = time.time() - MAX_AGE_S
    os.utime(EnvironmentCache.of("dev", None, None).path, (then, then))
    _cluster(store).environment  # noqa: B018
    assert store.asked == 2


def test_other_credentials_see_their_own(store: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    _cluster(store).environment  # noqa: B018
    monkeypatch.setenv("AWS_PROFILE", "another")
    _cluster(store).environment  # noqa: B018
    assert store.asked == 2


def test_secrets_are_no_part_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    before = EnvironmentCache.of("dev")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "another")
    assert EnvironmentCache.of("dev") == before


def test_a_queue_that_is_new_is_found_at_once(store: ParameterStore, environment: Environment) -> None:
    del store.parameters["queues/on-demand"]
    _cluster(store).environment  # noqa: B018
    store.parameters["queues/on-demand"] = environment.queues["on-demand"]
    assert _cluster(store).plan(JobSpec(command=("true",), queue="on-demand")).queue == "on-demand"


def test_what_is_wrong_with_a_request_is_told_after_one_more_look(store: ParameterStore) -> None:
    _cluster(store).environment  # noqa: B018
    with pytest.raises(BadInput, match="nowhere"):
        _cluster(store).plan(JobSpec(command=("true",), queue="nowhere"))
    assert store.asked == 2


@pytest.mark.parametrize("text", ["", "{", "[1, 2, 3]", "null"])
def test_a_damaged_file_is_no_obstacle(store: ParameterStore, text: str) -> None:
    kept = EnvironmentCache.of("dev", None, None)
    kept.save("dev", {})
    kept.path.write_text(text)
    assert "on-demand" in _cluster(store).environment.queues


def test_a_home_that_cannot_be_written_is_no_obstacle(store: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/no-such-folder")
    assert "on-demand" in _cluster(store).environment.queues
