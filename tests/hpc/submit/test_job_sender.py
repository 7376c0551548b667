"""What the machine of test_exactly_once.py has found, each by itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from hpc.contract.s3_keys import RunPaths
from hpc.runs import claims
from hpc.submit import job_sender
from hpc.submit.job_sender import JobSender, end_extra
from tests.hpc.fakes.batch import Batch
from tests.hpc.fakes.clock import Clock
from tests.hpc.fakes.refusals import refused
from tests.hpc.fakes.s3 import S3
from tests.hpc.plan.planning import RUN_ID

PATHS = RunPaths(project="default", run_id=RUN_ID)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(job_sender, "time", clock)
    monkeypatch.setattr(claims, "time", clock)
    return clock


@pytest.fixture
def clients(clock: Clock) -> Any:
    batch = Batch(clock)
    return SimpleNamespace(s3=S3(clock), batch=batch, batch_once=batch)


def request(part: int) -> dict[str, Any]:
    return {"jobName": f"{RUN_ID}-{part}-n", "jobQueue": "q", "jobDefinition": "d"}


def sender(clients: Any, parts: int, accepted: Callable[[int, str, bool], None] = lambda *_: None) -> JobSender:
    jobs = tuple(request(part) for part in range(parts))
    plan: Any = SimpleNamespace(run_id=RUN_ID, bucket="data", paths=PATHS, barriers=(), jobs=jobs)
    return JobSender(plan, clients, accepted)


def fail(clients: Any, service: str, operation: str, *faults: Callable[[Callable[[], Any]], Any] | None) -> None:
    """Give the next calls of an operation these faults, each of which is called with the call."""
    client = getattr(clients, service)
    call, left = getattr(client, operation), list(faults)

    def faulty(**arguments: Any) -> Any:
        fault = left.pop(0) if left else None
        return fault(lambda: call(**arguments)) if fault else call(**arguments)

    setattr(client, operation, faulty)


def sent_by_name(clients: Any) -> dict[str, int]:
    return Counter(job.name for job in clients.batch.jobs.values())


def raising(error: BaseException) -> Callable[[Callable[[], Any]], Any]:
    def fault(_: Callable[[], Any]) -> Any:
        raise error

    return fault


def sent(clients: Any, part: int) -> str:
    return clients.batch.submit_job(**request(part))["jobId"]


def claim(clients: Any, part: int, job_id: str | None) -> None:
    body = json.dumps({"job_id": job_id, "by": "a", "sends": 2})
    clients.s3.put_object(Bucket="data", Key=PATHS.job(part), Body=body.encode())


def test_a_job_that_does_not_hold_its_part_is_ended(clients: Any) -> None:
    holder, extra = sent(clients, 0), sent(clients, 0)
    claim(clients, 0, holder)
    (line,) = end_extra(clients, "q", "data", PATHS, {holder})
    assert line == f"job {extra} was a duplicate in run {RUN_ID}: it did nothing and ended"
    assert [clients.batch.jobs[job_id].status for job_id in (holder, extra)] == ["RUNNABLE", "FAILED"]
    (line,) = end_extra(clients, "q", "data", PATHS, {holder})
    assert line.endswith("it did nothing and had ended")


def test_no_job_of_a_part_is_ended_before_one_of_them_holds_it(clients: Any) -> None:
    older, newer = sent(clients, 0), sent(clients, 0)
    claim(clients, 0, None)
    assert end_extra(clients, "q", "data", PATHS, {older}) == []
    assert clients.batch.jobs[newer].status == "RUNNABLE"


def test_a_job_that_was_sent_since_the_record_was_made_is_no_duplicate(clients: Any) -> None:
    first, second = sent(clients, 0), sent(clients, 1)
    claim(clients, 0, first)
    assert end_extra(clients, "q", "data", PATHS, {first}) == []
    claim(clients, 1, second)
    assert end_extra(clients, "q", "data", PATHS, {first}) == []
    assert clients.batch.jobs[second].status == "RUNNABLE"


def test_a_claim_is_not_freed_where_an_interrupt_comes_between_acceptance_and_the_claims_job_id(clients: Any) -> None:
    fail(clients, "s3", "put_object", None, raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        sender(clients, 1).send_all()
    resumed = sender(clients, 1)
    resumed.read_claims()
    resumed.send_all()
    assert sent_by_name(clients) == {f"{RUN_ID}-0-n": 1}


def test_a_job_is_not_sent_again_on_a_look_that_is_older_than_the_wait(clients: Any, clock: Clock) -> None:
    """The look at 3.75 s cannot see the second part's job; sending the first part takes until 13.75 s."""
    clients.batch.lag_s = 10

    def lost(call: Callable[[], Any]) -> Any:
        call()
        raise ReadTimeoutError(endpoint_url="")

    def slow(call: Callable[[], Any]) -> Any:
        clock.now += 9.5
        return call()

    throttled = raising(refused("TooManyRequestsException", "SubmitJob"))
    fail(clients, "batch", "submit_job", throttled, lost, throttled, throttled, slow)
    sender(clients, 2).send_all()
    assert sent_by_name(clients) == {f"{RUN_ID}-0-n": 1, f"{RUN_ID}-1-n": 1}


def test_a_conflict_with_a_write_that_is_not_there_yet_is_tried_again(clients: Any) -> None:
    conflict = raising(refused("ConditionalRequestConflict", "PutObject"))
    fail(clients, "s3", "put_object", conflict, conflict)
    told = list[tuple[int, str, bool]]()
    sender(clients, 1, lambda *part: told.append(part)).send_all()
    ((number, job_id, settled),) = told
    assert (number, settled) == (0, True)
    assert list(clients.batch.jobs) == [job_id]
