from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from hpc.aws import job_logs, jobs
from hpc.aws.job_logs import Source, lines, sources
from tests.hpc.fakes.batch import Batch
from tests.hpc.fakes.clock import Clock
from tests.hpc.fakes.logs import Logs

GROUP = "hpc-dev"


class Watch(Clock):
    """A clock at each sleep of which the next thing happens."""

    def happens(self, *things: Callable[[], Any]) -> None:
        self.left = list(things)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.left:
            self.left.pop(0)()
        assert len(self.slept) < 100, "it does not end"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Watch:
    clock = Watch()
    clock.happens()
    monkeypatch.setattr(job_logs, "time", clock)
    return clock


@pytest.fixture
def clients(clock: Watch) -> Any:
    return SimpleNamespace(batch=Batch(clock), logs=Logs(GROUP))


def writes(clients: Any, job_id: str, status: str, stream: str, *pages: list[str]) -> None:
    """Let a job have a status and a stream of these pages."""
    clients.batch.add(job_id, status, container={"logStreamName": stream})
    clients.logs.streams[stream] = list(pages)


def read(clients: Any, *job_ids: str, follow: bool = False) -> list[tuple[str, str]]:
    return list(lines(clients, [Source(job_id, job_id, log_group=GROUP) for job_id in job_ids], follow=follow))


def test_a_log_is_read_to_its_end_over_empty_pages(clients: Any, clock: Watch) -> None:
    writes(clients, "j", "RUNNING", "s", ["1"], [], ["2", "3"])
    assert read(clients, "j") == [("j", "1"), ("j", "2"), ("j", "3")]
    assert clients.logs.reads == 4, "three pages, and one that says with the same token that there is no more"
    assert clock.slept == []


def test_a_container_without_a_stream_and_one_that_has_not_written_have_no_lines(clients: Any, clock: Watch) -> None:
    clients.batch.add("waits")
    clients.batch.add("silent", "RUNNING", container={"logStreamName": "later"})
    assert read(clients, "waits", "silent", "forgotten") == []
    assert clients.logs.reads == 1
    assert clock.slept == []


def test_following_goes_on_until_a_look_after_the_end_finds_nothing_new(clients: Any, clock: Watch) -> None:
    job, stream = clients.batch.add("j"), clients.logs.streams.setdefault("s", [])

    def starts() -> None:
        job.status, job.detail = "RUNNING", {"container": {"logStreamName": "s"}}

    def ends() -> None:
        job.status = "SUCCEEDED"
        stream.append(["2"])

    clock.happens(starts, lambda: stream.append(["1"]), lambda: None, ends, lambda: stream.append(["late"]))
    assert read(clients, "j", follow=True) == [("j", "1"), ("j", "2"), ("j", "late")]
    assert len(clock.slept) == 6, "the last look was empty"


def test_a_container_that_had_ended_is_not_waited_for_but_looked_at_again_if_it_had_lines(
    clients: Any, clock: Watch
) -> None:
    writes(clients, "j", "FAILED", "s", ["1"])
    clients.batch.add("never ran", "FAILED")
    assert read(clients, "j", "never ran", "forgotten", follow=True) == [("j", "1")]
    assert clock.slept == [job_logs.POLL_S]


def test_a_new_attempt_is_read_from_the_beginning_of_its_own_stream(clients: Any, clock: Watch) -> None:
    writes(clients, "j", "RUNNING", "first", ["1"])

    def again() -> None:
        writes(clients, "j", "RUNNING", "second", ["1", "2"])

    def runnable() -> None:
        clients.batch.add("j", "RUNNABLE", attempts=[{"container": {"logStreamName": "first"}}])

    clock.happens(runnable, again, lambda: writes(clients, "j", "SUCCEEDED", "second", ["1", "2"], ["3"]))
    assert read(clients, "j", follow=True) == [("j", "1"), ("j", "1"), ("j", "2"), ("j", "3")]


def test_children_are_described_a_hundred_at_a_time_and_those_that_have_ended_no_more(
    clients: Any, clock: Watch
) -> None:
    parent = jobs.from_detail(
        clients.batch.add("a", "RUNNING", arrayProperties={"size": 201, "statusSummary": {}}).described()
    )
    for child in range(201):
        writes(clients, f"a:{child}", "SUCCEEDED", f"s{child}", [str(child)] if child == 150 else [])
    writes(clients, "a:7", "RUNNING", "s7", ["7"])

    def ends() -> None:
        clients.batch.jobs["a:7"].status = "SUCCEEDED"

    clock.happens(lambda: None, ends)
    assert list(lines(clients, sources(parent, GROUP), follow=True)) == [("7", "7"), ("150", "150")]
    assert clients.batch.described == [100, 100, 1, 2, 1]


def test_containers_are_a_job_an_arrays_children_or_a_multi_node_jobs_nodes() -> None:
    def named(**detail: Any) -> list[tuple[str, str]]:
        job = jobs.from_detail({"jobId": "j", "jobName": "n", "status": "RUNNING", **detail})
        return [(source.job_id, source.label) for source in sources(job, GROUP)]

    assert named() == [("j", "")]
    assert named(arrayProperties={"size": 2}) == [("j:0", "0"), ("j:1", "1")]
    assert named(nodeProperties={"numNodes": 2}) == [("j#0", "node 0"), ("j#1", "node 1")]
