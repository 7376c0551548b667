from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from hpc.aws.environment import Environment
from hpc.contract.s3_keys import RunPaths
from hpc.contract.task_layout import Range
from hpc.errors import EXIT_NO_EXIT_CODE, BadInput, HpcError, NotFound
from hpc.runs import run as run_module
from hpc.runs.records import Part, Record
from hpc.runs.run import POLL_MAX_S, POLL_MIN_S, Run
from tests.hpc.fakes.batch import Batch
from tests.hpc.fakes.clock import Clock
from tests.hpc.fakes.logs import Logs
from tests.hpc.fakes.s3 import S3
from tests.hpc.plan.planning import RUN_ID

PATHS = RunPaths(project="default", run_id=RUN_ID)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(run_module, "time", clock)
    return clock


@pytest.fixture
def session(clock: Clock, environment: Environment) -> Any:
    return SimpleNamespace(
        clients=SimpleNamespace(batch=Batch(clock), logs=Logs(), s3=S3(clock)), environment=environment
    )


def run_of(
    session: Any, *parts: tuple[str, int], index: int | None = None, job_id: str = "", pack: int = 1, jobs: int = 0,
    only: tuple[Range, ...] | None = None,
) -> Run:  # fmt: skip
    """Return a run of parts, each given by job id and number of tasks, or a task of it that is `job_id`."""
    offset, made = 0, list[Part]()
    for number, (part_id, size) in enumerate(parts):
        made.append(Part(number=number, job_id=part_id, offset=offset, size=size))
        offset += size
    record = Record(
        run_id=RUN_ID, environment="dev", project="default", name="n", queue="q", sha256="0", submitted_at="",
        parts=tuple(made), jobs=jobs or len(made), pack=pack, only=only,
    )  # fmt: skip
    ids = (job_id,) if job_id else tuple(part_id for part_id, _ in parts)
    return Run(session, PATHS, ids, index, record)


def ended(code: int | None, **more: Any) -> dict[str, Any]:
    return {"status": "SUCCEEDED" if code == 0 else "FAILED", "container": {"exitCode": code} if code else {}, **more}


def array(session: Any, job_id: str, *codes: int | None) -> None:
    """Add an array whose children have ended with these exit codes, None where no command exited."""
    failed = sum(code != 0 for code in codes)
    summary = {"size": len(codes), "statusSummary": {"FAILED": failed}}
    session.clients.batch.add(job_id, "FAILED" if failed else "SUCCEEDED", arrayProperties=summary)
    for child, code in enumerate(codes):
        session.clients.batch.add(f"{job_id}:{child}", **ended(code))


def report(session: Any, part: int, child: int, *tasks: tuple[int, int, str]) -> None:
    """Write how tasks of a packed child ended."""
    body = "".join(
        json.dumps({"index": index, "job_id": "j", "attempt": 1, "exit_code": code, "reason": reason}) + "\n"
        for index, code, reason in tasks
    )
    session.clients.s3.put_object(Bucket="data", Key=PATHS.pack_status(part, child), Body=body.encode())


@pytest.mark.parametrize(("code", "told"), [(0, 0), (3, 3), (None, EXIT_NO_EXIT_CODE)])
def test_a_single_jobs_exit_code(session: Any, code: int | None, told: int) -> None:
    session.clients.batch.add("j", **ended(code))
    assert run_of(session, ("j", 1)).exit_code() == told


def test_the_first_part_that_failed_tells_and_of_it_the_first_child_by_number(session: Any) -> None:
    array(session, "a", 0, 0)
    array(session, "b", *[0] * 9, 9, 4)  # as text, b:10 comes before b:9
    array(session, "c", 5, 0)
    assert run_of(session, ("a", 2), ("b", 11), ("c", 2)).exit_code() == 9
    array(session, "b", 0, None)
    assert run_of(session, ("a", 2), ("b", 2), ("c", 2)).exit_code() == EXIT_NO_EXIT_CODE
    assert run_of(session, ("a", 2)).exit_code() == 0


def test_the_main_node_tells_for_a_multi_node_job(session: Any) -> None:
    nodes = {"nodeProperties": {"numNodes": 2, "mainNode": 1}}
    session.clients.batch.add("m", **ended(74, **nodes))
    assert run_of(session, ("m", 1)).exit_code() == 74
    session.clients.batch.add("m#0", **ended(1))
    session.clients.batch.add("m#1", **ended(7))
    assert run_of(session, ("m", 1)).exit_code() == 7


def test_a_task_of_a_packed_child_has_an_exit_code_of_its_own(session: Any) -> None:
    array(session, "a", 3, 0)
    report(session, 0, 0, (0, 0, ""), (1, 3, "exited 3"))
    parts = ("a", 5)
    assert run_of(session, parts, pack=3).exit_code() == 3
    codes = [run_of(session, parts, pack=3, index=index, job_id="a:0").exit_code() for index in range(3)]
    assert codes == [0, 3, EXIT_NO_EXIT_CODE]


def test_failed_rows_are_those_of_failed_children_in_order_and_those_that_never_ran(session: Any) -> None:
    array(session, "a", 0, 3)
    session.clients.batch.add("b", **ended(1))  # its tasks are one child: no array
    report(session, 0, 1, (12, 3, "exited 3"), (13, 0, ""))
    run = run_of(session, ("a", 4), ("b", 2), pack=2, only=((10, 15),))
    found = [(row.index, row.job_id, row.exit_code, row.reason) for row in run.failed_rows(10)]
    never = "has not ended"
    assert found == [(12, "a:1", 3, "exited 3"), (14, "b", None, never), (15, "b", None, never)]
    assert len(run.failed_rows(2)) == 2
    assert run_of(session, ("a", 2)).failed_rows(10) == [], "each child runs one task"


def test_failed_rows_of_one_task_are_itself_or_nothing(session: Any) -> None:
    array(session, "a", 3, 0)
    report(session, 0, 0, (0, 0, ""), (1, 3, "exited 3"))
    failed = [run_of(session, ("a", 4), pack=2, index=index, job_id="a:0").failed_rows(10) for index in (0, 1)]
    assert [[row.index for row in rows] for rows in failed] == [[], [1]]


def test_the_first_failed_children_are_described_in_the_order_of_parts_and_numbers(session: Any) -> None:
    array(session, "a", 0, 1, 0, 2)
    array(session, "b", 0, 0)
    array(session, "c", *[3] * 12)
    session.clients.batch.add("single", **ended(1))
    run = run_of(session, ("a", 4), ("b", 2), ("single", 1), ("c", 12))
    assert [job.job_id for job in run.failed_children(5)] == ["a:1", "a:3", "c:0", "c:1", "c:2"]
    assert len(run.failed_children(100)) == 14


def test_a_job_that_is_forgotten_is_said(session: Any) -> None:
    session.clients.batch.add("a")
    assert [job.job_id for job in run_of(session, ("a", 1)).jobs()] == ["a"]
    with pytest.raises(NotFound, match=r"job b: AWS Batch does not know it.*hpc fetch"):
        run_of(session, ("a", 1), ("b", 1)).jobs()


def test_waiting_looks_often_at_first_and_ends_with_the_last_job(session: Any, clock: Clock) -> None:
    first, last = session.clients.batch.add("a"), session.clients.batch.add("b")
    seen = list[tuple[str, ...]]()

    def look(found: list[Any]) -> None:
        seen.append(tuple(job.status for job in found))
        passed = sum(clock.slept)
        first.status = "SUCCEEDED" if passed > 5 else "RUNNING"
        last.status = "FAILED" if passed > 300 else "RUNNING"

    assert [job.status for job in run_of(session, ("a", 1), ("b", 1)).wait(look)] == ["SUCCEEDED", "FAILED"]
    assert seen[0] == ("RUNNABLE", "RUNNABLE")
    assert clock.slept == sorted(clock.slept)
    assert (clock.slept[0], clock.slept[-1]) == (POLL_MIN_S, POLL_MAX_S)
    assert 300 < sum(clock.slept) < 300 + 2 * POLL_MAX_S
    assert len(seen) > 50


def test_an_incomplete_run_is_not_waited_for(session: Any) -> None:
    run = run_of(session, ("a", 1), jobs=3)
    assert run.missing == 2
    with pytest.raises(HpcError, match=f"2 of 3 jobs have not been submitted.*--run {RUN_ID}"):
        run.wait()
    assert run_of(session, ("a", 2), jobs=3, index=0, job_id="a:0").missing == 0, "the task is there"


def test_cancel_ends_what_has_not_ended(session: Any) -> None:
    batch = session.clients.batch
    batch.add("waits")
    batch.add("runs", "RUNNING")
    batch.add("done", "SUCCEEDED")
    ended = run_of(session, ("waits", 1), ("runs", 1), ("done", 1)).cancel("r" * 2000)
    assert [(job.job_id, job.status, done) for job, done in ended] == [
        ("waits", "RUNNABLE", True),
        ("runs", "RUNNING", True),
        ("done", "SUCCEEDED", False),
    ]
    assert [batch.jobs[job_id].status for job_id in ("waits", "runs", "done")] == ["FAILED", "FAILED", "SUCCEEDED"]


def test_one_task_is_cancelled_alone_or_not_at_all(session: Any) -> None:
    array(session, "a", 0, 0)
    for child in ("a:0", "a:1"):
        session.clients.batch.jobs[child].status = "RUNNING"
    run_of(session, ("a", 2), index=1, job_id="a:1").cancel("why")
    assert [session.clients.batch.jobs[child].status for child in ("a:0", "a:1")] == ["RUNNING", "FAILED"]
    with pytest.raises(BadInput, match=f"{RUN_ID}:1: this task shares a child.*hpc cancel a:0"):
        run_of(session, ("a", 4), index=1, job_id="a:0", pack=2).cancel("why")
    assert session.clients.batch.jobs["a:0"].status == "RUNNING"


def test_a_childs_lines_stand_under_the_number_of_its_first_task(session: Any) -> None:
    array(session, "a", 0, 0)
    array(session, "b", 0, 0)
    for job_id in ("a:0", "a:1", "b:0", "b:1"):
        session.clients.batch.jobs[job_id].detail = {"container": {"logStreamName": job_id}}
        session.clients.logs.streams[job_id] = [[f"line of {job_id}"]]
    run = run_of(session, ("a", 4), ("b", 3), pack=2, only=((10, 12), (20, 23)))
    assert list(run.log_lines(follow=False)) == [
        ("10", "line of a:0"),
        ("12", "line of a:1"),
        ("21", "line of b:0"),
        ("23", "line of b:1"),
    ]


def test_a_job_of_others_has_a_state_and_no_outputs(session: Any) -> None:
    session.clients.batch.add("j", **ended(3))
    run = Run(session, None, ("j",), None)
    assert (run.run_id, run.reference, run.missing, run.outputs_uri, run.exit_code()) == ("j", "j", 0, None, 3)
    with pytest.raises(HpcError, match="was not submitted by hpc"):
        run.outputs()
