"""Units of tests that wait long begin first where workers share them; else fast tests do: errors show in seconds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tests.workers import rank, unit_of

settings.register_profile("workers", deadline=None)
settings.load_profile("workers")  # they share the cores: how long one example takes says nothing


class Units(LoadScopeScheduling):
    """Gives whole units to workers, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Units:
    config.option.loadscopereorder = False
    return Units(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    shared = hasattr(config, "workerinput")
    for item in items:
        if item.get_closest_marker("slow"):  # docs/not-proven.md: Open MPI's launcher can hang at its start
            item.add_marker(pytest.mark.flaky(reruns=2, only_rerun=["TimeoutExpired"]))

    def begins(item: pytest.Item) -> tuple[int, bool]:
        slow = item.get_closest_marker("slow") is not None
        return (rank(item.nodeid), not slow) if shared else (0, slow)

    items.sort(key=begins)
