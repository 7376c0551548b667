"""Whatever goes wrong on the way to AWS Batch: no task is lost, none is executed twice.

All scenarios of one list lag run at once, each on a line of its own, so that they wait together.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import pytest

from localcloud.faults import FaultyLine
from tests.end_to_end.faults.scenarios import SCENARIOS, Ended, Scenario, killed_and_resumed
from tests.end_to_end.faults.support import Bench, Outcome
from tests.end_to_end.support import Platform

pytestmark = pytest.mark.slow

LINES = 6
LARGE = {"F9 a sweep of 500 killed and resumed": partial(killed_and_resumed, 4, 500, 50)}


@dataclass
class Found:
    ended: Ended
    outcome: Outcome
    lag_s: int


def _run(name: str, scenario: Scenario, platform: Platform, folder: Path, lines: SimpleQueue[FaultyLine]) -> Ended:
    line = lines.get()
    started = time.monotonic()
    try:
        line.clear()
        own = folder / "".join(character if character.isalnum() else "-" for character in name)
        own.mkdir()
        return scenario(bench=Bench(platform.cloud, line, own))
    finally:
        print(f"{time.monotonic() - started:6.1f} s  {name}", file=sys.stderr)
        line.clear()
        lines.put(line)


@pytest.fixture(scope="module", params=[0, 10], ids=lambda lag_s: f"lag {lag_s} s")
def found(
    request: pytest.FixtureRequest, platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Found]]]:
    lag_s: int = request.param
    folder = tmp_path_factory.mktemp("faults")
    lines = SimpleQueue[FaultyLine]()
    items = [item for item in request.session.items if item.path == request.path and isinstance(item, pytest.Function)]
    chosen = {item.callspec.params["name"] for item in items}
    scenarios = {name: run for name, run in (SCENARIOS | (LARGE if lag_s else {})).items() if name in chosen}
    with ExitStack() as stack:
        for seed in range(LINES):
            lines.put(stack.enter_context(FaultyLine(platform.cloud.url, seed, folder / f"line-{seed}.log")))
        pool = stack.enter_context(ThreadPoolExecutor(LINES))
        platform.cloud.set_list_lag(lag_s)
        ended = {
            name: pool.submit(_run, name, scenario, platform, folder, lines) for name, scenario in scenarios.items()
        }
        wait(ended.values())
        platform.cloud.set_list_lag(0)
        spare = lines.get()

        def count(future: Future[Ended]) -> Found:
            result = future.result()
            return Found(result, Bench(platform.cloud, spare, folder).outcome(result.run_id), lag_s)

        counted = {name: pool.submit(count, future) for name, future in ended.items()}
        # pytest writes its own variable into os.environ around each test: nothing may read it at the same time.
        wait(counted.values())
        yield counted


@pytest.mark.parametrize("name", [*SCENARIOS, *LARGE])
def test_no_task_is_lost_and_none_runs_twice(found: dict[str, Future[Found]], name: str) -> None:
    if name not in found:
        pytest.skip("runs once, with the lag")
    result = found[name].result()
    tasks = result.ended.tasks
    assert (result.outcome.lost(tasks), result.outcome.twice) == (0, 0)
    assert sum(result.outcome.executed.values()) == tasks
    extra = result.outcome.extra()
    assert [job["status"] for job in extra] == ["FAILED"] * len(extra)
    assert [job["jobId"] for job in extra if job["jobId"] not in result.ended.told] == []
    assert len(extra) == (1 if name.startswith("listed late") and result.lag_s else 0)
