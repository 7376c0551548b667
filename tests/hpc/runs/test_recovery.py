from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from hpc.aws.environment import Environment
from hpc.contract.s3_keys import RunPaths
from hpc.errors import NotFound
from hpc.runs import records, recovery
from tests.hpc.fakes.batch import Batch
from tests.hpc.fakes.clock import Clock
from tests.hpc.fakes.s3 import S3
from tests.hpc.plan.planning import RUN_ID

PATHS = RunPaths(project="climate", run_id=RUN_ID)
REQUEST = {
    "name": "n", "queue": "loosely-coupled", "sha256": "0", "submitted_at": "2026-11-22T17:33:55+00:00",
    "kind": "single", "vcpus": 1, "parts": [{"offset": 0, "size": 1}, {"offset": 1, "size": 1}],
}  # fmt: skip


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[records.Record]:
    saved = list[records.Record]()
    monkeypatch.setattr(records, "save", saved.append)
    return saved


@pytest.fixture(params=[True, False], ids=["may list", "may not list"])
def clients(request: pytest.FixtureRequest) -> Any:
    clock = Clock()
    clients = SimpleNamespace(s3=S3(clock, may_list=request.param), batch=Batch(clock))
    put(clients, PATHS.request, REQUEST)
    return clients


def put(clients: Any, key: str, body: dict[str, Any]) -> None:
    clients.s3.put_object(Bucket="data", Key=key, Body=json.dumps(body).encode())


def claim(clients: Any, part: int, job_id: str | None, sends: int = 1) -> None:
    put(clients, PATHS.job(part), {"job_id": job_id, "by": "a", "sends": sends})


def sent(clients: Any, environment: Environment, part: int) -> str:
    queue = environment.queues["loosely-coupled"].arn
    job = {"jobName": f"{RUN_ID}-{part}-n", "jobQueue": queue, "jobDefinition": "d"}
    return clients.batch.submit_job(**job)["jobId"]


def parts(record: records.Record) -> list[tuple[int, str, bool]]:
    return [(part.number, part.job_id, part.settled) for part in record.parts]


def test_claims_name_the_jobs_and_one_that_was_sent_twice_is_not_settled(
    clients: Any, environment: Environment, saved: list[records.Record]
) -> None:
    claim(clients, 0, "a")
    claim(clients, 1, "b", sends=2)
    found = recovery.record(clients, environment, RUN_ID, None)
    assert parts(found) == [(0, "a", True), (1, "b", False)]
    assert (found.project, found.environment, found.jobs, found.is_complete) == ("climate", "dev", 2, False)
    assert saved == []


def test_what_no_claim_names_is_found_by_name_and_kept_where_the_run_is_remembered(
    clients: Any, environment: Environment, saved: list[records.Record]
) -> None:
    claim(clients, 0, "a")
    older = sent(clients, environment, 1)
    clients.batch.clock.now += 1
    sent(clients, environment, 1)
    found = recovery.record(clients, environment, RUN_ID, None)
    assert parts(found) == [(0, "a", True), (1, older, False)]
    assert saved == []
    recovery.record(clients, environment, RUN_ID, found)
    assert saved == [found]


def test_a_job_that_is_remembered_is_not_forgotten_where_neither_claim_nor_listing_names_it(
    clients: Any, environment: Environment, saved: list[records.Record]
) -> None:
    """The claim could not be written after SubmitJob, and ListJobs lags."""
    claim(clients, 0, None)
    clients.batch.lag_s = 10
    job_id = sent(clients, environment, 0)
    claim(clients, 1, "b")
    known = recovery.record(clients, environment, RUN_ID, None)
    assert parts(known) == [(1, "b", True)]
    part = records.Part(number=0, job_id=job_id, offset=0, size=1, settled=False)
    known = recovery.record(clients, environment, RUN_ID, replace(known, parts=(part, *known.parts)))
    assert parts(known) == [(0, job_id, False), (1, "b", True)]
    claim(clients, 0, "c")  # another submitter's
    assert parts(recovery.record(clients, environment, RUN_ID, known))[0] == (0, "c", True)


def test_a_run_without_a_job_and_an_unknown_run_are_distinguished(clients: Any, environment: Environment) -> None:
    with pytest.raises(NotFound, match=f"was requested, but AWS Batch has no job of it.*--run {RUN_ID}"):
        recovery.record(clients, environment, RUN_ID, None)
    with pytest.raises(NotFound, match="not found in environment dev"):
        recovery.record(clients, environment, "20261122-173355-aaaaaa", None)
