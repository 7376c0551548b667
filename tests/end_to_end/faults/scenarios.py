"""What goes wrong, and what the user does then. Each ends with a run that must be whole."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.end_to_end.faults.support import LEAVE_A_MARK, SUBMIT_JOB, Bench, run_id_of

TASKS = 4
"""In two parts of two children."""
BOUND_S = 60


@dataclass
class Ended:
    """The run, how many tasks it has, and what people were told."""

    run_id: str
    told: str
    tasks: int = TASKS


Scenario = Callable[..., Ended]
"""Called with `bench=`."""


def _submitted(bench: Bench, *options: str, tasks: int = TASKS, **changes: str) -> Ended:
    answer = bench.hpc("submit", "--array", str(tasks), *options, "--", *LEAVE_A_MARK, **changes)
    assert answer.returncode == 0, answer.stderr
    return Ended(answer.stdout.strip(), answer.stderr, tasks)


def one_fault(*rules: dict[str, Any], bench: Bench) -> Ended:
    """The user notices nothing but time."""
    bench.line.rules(*rules)
    return _submitted(bench)


def _refused_then_resumed(bench: Bench, words: list[str], *rules: dict[str, Any]) -> Ended:
    bench.line.rules(*rules)
    answer = bench.submit(TASKS)
    assert answer.returncode == 1, answer.stderr
    assert answer.stdout == ""
    run_id = run_id_of(answer.stderr)
    assert [word for word in [*words, "nothing is lost", f"--run {run_id}"] if word not in answer.stderr] == []
    bench.line.clear()
    bench.knobs.pop("hpc.submit.job_sender.GIVE_UP_S", None)
    resumed = _submitted(bench, "--run", run_id)
    return Ended(resumed.run_id, answer.stderr + resumed.told)


def server_errors_without_end(bench: Bench) -> Ended:
    bench.knobs["hpc.submit.job_sender.GIVE_UP_S"] = 3
    return _refused_then_resumed(
        bench, ["does not answer"], SUBMIT_JOB | {"error": {"code": "ServerException", "status": 500}}
    )


def network_lost_between_two_parts(bench: Bench) -> Ended:
    bench.knobs["hpc.submit.job_sender.GIVE_UP_S"] = 3
    second = SUBMIT_JOB | {"body": "contains(jobName, '-1-')", "response": {"abort_bytes": 0}}
    return _refused_then_resumed(
        bench, ["does not answer"], second, {"service": "batch", "operation": "ListJobs", "reset": True}
    )


def credentials_expire_between_two_parts(bench: Bench) -> Ended:
    expired = {"code": "ExpiredTokenException", "status": 400, "message": "The security token is expired"}
    rule = SUBMIT_JOB | {"body": "contains(jobName, '-1-')", "error": expired}
    return _refused_then_resumed(bench, ["log in again"], rule)


def clock_is_wrong(bench: Bench) -> Ended:
    skewed = {"code": "RequestTimeTooSkewed", "status": 403, "message": "The difference is too large."}
    return _refused_then_resumed(bench, ["clock of this machine"], SUBMIT_JOB | {"error": skewed})


def _interrupted(number: signal.Signals, bench: Bench) -> Ended:
    bench.line.rules(SUBMIT_JOB | {"latency": 1000})
    process = bench.start("submit", "--array", str(TASKS), "--", *LEAVE_A_MARK)
    deadline = time.monotonic() + BOUND_S
    while not bench.line.fired():  # the first call of SubmitJob is under way
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=BOUND_S)
    assert process.returncode == 128 + number, err
    assert out == ""
    assert "Traceback" not in err
    run_id = run_id_of(err)
    assert f"--run {run_id}" in err
    bench.line.clear()
    resumed = _submitted(bench, "--run", run_id)
    return Ended(resumed.run_id, err + resumed.told)


def killed_and_resumed(seed: int, tasks: int, per_part: int, bench: Bench) -> Ended:
    """kill -9 at random points, four times."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    bench.knobs["hpc.plan.run_request.MAX_ARRAY"] = per_part
    bench.line.rules({"service": "*", "latency": {"min": 5, "max": 60}})
    run_id, options = "", list[str]()
    for _ in range(4):
        process = bench.start("submit", "--array", str(tasks), *options, "--", *LEAVE_A_MARK)
        assert process.stderr
        run_id = process.stderr.readline().removeprefix("run ").strip()
        time.sleep(chance.uniform(0, 1.5))  # anywhere between the first call and the last
        process.kill()
        process.communicate(timeout=BOUND_S)
        options = ["--run", run_id]
    bench.line.clear()
    return _submitted(bench, *options, tasks=tasks)


STORM: tuple[dict[str, Any], ...] = (
    SUBMIT_JOB | {"probability": 0.10, "error": {"code": "TooManyRequestsException", "status": 429}},
    SUBMIT_JOB | {"probability": 0.05, "error": {"code": "ServerException", "status": 500}},
    SUBMIT_JOB | {"probability": 0.05, "reset": True},
    SUBMIT_JOB | {"probability": 0.10, "response": {"abort_bytes": 0}},
)


def storm(bench: Bench) -> Ended:
    bench.line.rules(*STORM)
    return _submitted(bench, tasks=30)


def submitters_with_one_key(count: int, *rules: dict[str, Any], bench: Bench) -> Ended:
    bench.line.rules(*rules)
    key = f"key of {bench.folder.name}"
    arguments = ("submit", "--array", "12", "--once", key, "--", *LEAVE_A_MARK)
    processes = [bench.start(*arguments) for _ in range(count)]
    answers = [process.communicate(timeout=BOUND_S) for process in processes]
    told = "".join(err for _, err in answers)
    assert [process.returncode for process in processes] == [0] * count, told
    (run_id,) = {out.strip() for out, _ in answers}
    return Ended(run_id, told, 12)


def listed_later_than_waited_for(starts_after_s: int, bench: Bench) -> Ended:
    """An extra job is made while both wait for another; the first command that sees it listed ends and tells it."""
    first = bench.hpc("submit", "--", "sleep", str(starts_after_s)).stdout.strip()
    bench.knobs["hpc.submit.job_sender.LIST_LAG_S"] = 0.5
    bench.line.rules(SUBMIT_JOB | {"times": 1, "response": {"abort_bytes": 0}})
    ended = _submitted(bench, "--after", first)
    deadline = time.monotonic() + BOUND_S
    while bench.may_have_extra(ended.run_id) and "duplicate" not in ended.told:
        status = bench.hpc("status", ended.run_id)
        assert status.returncode == 0, status.stderr
        ended.told += status.stderr
        assert time.monotonic() < deadline, ended.told
    return ended


def records_cannot_be_written(bench: Bench) -> Ended:
    """A home that is read-only; the run is found again all the same."""
    ended = _submitted(bench, XDG_STATE_HOME="/proc/no-such-folder")
    assert "note the run id yourself" in ended.told
    wait = bench.hpc("wait", ended.run_id)
    assert wait.returncode == 0, wait.stderr
    return ended


def disk_is_full(bench: Bench) -> Ended:
    no_writes = ("bash", "-c", 'ulimit -f 0; exec "$@"', "-")
    answer = bench.hpc("submit", "--array", str(TASKS), "--", *LEAVE_A_MARK, prefix=no_writes)
    assert answer.returncode == 0, answer.stderr
    assert "note the run id yourself" in answer.stderr
    return Ended(answer.stdout.strip(), answer.stderr)


def _error(status: int, code: str) -> dict[str, Any]:
    return {"error": {"code": code, "status": status}}


SCENARIOS: dict[str, Scenario] = {
    "F1 throttled with 429": partial(one_fault, SUBMIT_JOB | {"times": 3} | _error(429, "TooManyRequestsException")),
    "F1 throttled with 400": partial(one_fault, SUBMIT_JOB | {"times": 3} | _error(400, "ThrottlingException")),
    "F2 a server error, then success": partial(one_fault, SUBMIT_JOB | {"times": 1} | _error(500, "ServerException")),
    "F2 server errors without end": server_errors_without_end,
    "F3 reset before the request": partial(one_fault, SUBMIT_JOB | {"times": 1, "reset": True}),
    "F4 lost after acceptance": partial(one_fault, SUBMIT_JOB | {"times": 1, "response": {"abort_bytes": 0}}),
    "F5 truncated answer": partial(one_fault, SUBMIT_JOB | {"times": 2, "response": {"truncate_frac": 0.5}}),
    "F5 garbled answer": partial(one_fault, SUBMIT_JOB | {"times": 2, "response": {"corrupt_bytes": 60}}),
    "F6 a gateway's 504": partial(one_fault, SUBMIT_JOB | {"times": 1, "timeout_ms": 100}),
    "F6 no answer in time, accepted later": partial(one_fault, SUBMIT_JOB | {"times": 1, "latency": 10_500}),
    "F7 credentials expire between two parts": credentials_expire_between_two_parts,
    "F10 three submitters with one key": partial(submitters_with_one_key, 3),
    "F10 two submitters with one key in a storm": partial(submitters_with_one_key, 2, *STORM),
    "F12 the clock is wrong": clock_is_wrong,
    "F13 the home is read-only": records_cannot_be_written,
    "F13 the disk is full": disk_is_full,
    "F15 network lost between two parts": network_lost_between_two_parts,
    "F17 SIGINT": partial(_interrupted, signal.SIGINT),
    "F17 SIGTERM": partial(_interrupted, signal.SIGTERM),
    "listed late, ended before it starts": partial(listed_later_than_waited_for, 30),
    "listed late, stopped by the lease": partial(listed_later_than_waited_for, 6),
} | {f"F9 killed and resumed, seed {seed}": partial(killed_and_resumed, seed, 40, 4) for seed in (1, 2, 3)} | {
    f"F18 storm, seed {seed}": storm for seed in (1, 2, 3)
}  # fmt: skip
