"""The exactly-once protocol as a machine that hypothesis drives: submitters, lookers and containers, call by call.

Every process runs the real code, of `hpc.connect(...).send(plan)`, `.find(run)` and of the container's lease; they meet
at fakes of S3 and AWS Batch, under one clock. In an orderly world no process is suspended and ListJobs lags by 10 s at
most: no part has more than one job then. In any world no part runs twice and none is lost.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NoReturn

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hpc.aws.environment import Environment
from hpc.cluster import Cluster
from hpc.common import run_ids
from hpc.contract import exit_codes
from hpc.contract.s3_keys import RunPaths
from hpc.errors import HpcError, NotFound
from hpc.node import lease
from hpc.node.failure import Failure
from hpc.node.job_context import JobContext
from hpc.node.s3.client import S3Error
from hpc.plan.plan import Plan, plan
from tests.hpc.fakes.batch import ENDED, Batch, BatchJob
from tests.hpc.fakes.clock import Clock
from tests.hpc.fakes.processes import ASLEEP, Effect, Killed, Line, Outcome, Process, answered
from tests.hpc.fakes.refusals import refused
from tests.hpc.fakes.s3 import S3
from tests.hpc.plan.planning import RUN_ID, spec

CHILDREN = 2
"""Of each part."""
PATHS = RunPaths(project="default", run_id=RUN_ID)
FOREIGN = tuple(f"foreign-{number}" for number in range(22))
"""More jobs than one can wait for."""
PROMPT_S = 2.0
"""In an orderly world a call takes no longer, if it is answered."""
BY_USER = "by the user"
MOST_STEPS = 5000
MOST_CALLS_BETWEEN_FAULTS = 20


class WatchedS3(S3):
    """Notes when a job id in a claim is replaced."""

    replaced: tuple[str, str] | None = None

    def put_object(self, **request: Any) -> dict[str, Any]:
        before = self.holder(request["Key"])
        answer = super().put_object(**request)
        after = self.holder(request["Key"])
        if before and before != after:
            self.replaced = before, after
        return answer

    def holder(self, key: str) -> str:
        """Return the job that a claim names; empty if it names none."""
        if not key.endswith("/job") or key not in self.objects:
            return ""
        return json.loads(self.objects[key].body)["job_id"] or ""


@dataclass
class NodeS3:
    """The container's client of S3, which knows conditional writes as questions."""

    s3: S3

    def get_tagged(self, *, bucket: str, key: str) -> tuple[bytes, str] | None:
        try:
            answer = self.s3.get_object(Bucket=bucket, Key=key)
        except ClientError:
            return None
        return answer["Body"].read(), answer["ETag"]

    def get(self, *, bucket: str, key: str) -> bytes:
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def put(self, *, bucket: str, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)

    def create(self, *, bucket: str, key: str, body: bytes) -> bool:
        return self._put_if(Bucket=bucket, Key=key, Body=body, IfNoneMatch="*")

    def replace(self, *, bucket: str, key: str, body: bytes, etag: str) -> bool:
        return self._put_if(Bucket=bucket, Key=key, Body=body, IfMatch=etag)

    def _put_if(self, **request: Any) -> bool:
        try:
            self.s3.put_object(**request)
        except ClientError:
            return False
        return True


class NodeLine:
    """A container's line to S3."""

    def __init__(self, s3: S3) -> None:
        line = Line(NodeS3(s3))
        self.get_tagged = lambda bucket, key: line.get_tagged(bucket=bucket, key=key)
        self.get = lambda bucket, key: line.get(bucket=bucket, key=key)
        self.put = lambda bucket, key, body: line.put(bucket=bucket, key=key, body=body)
        self.create = lambda bucket, key, body: line.create(bucket=bucket, key=key, body=body)
        self.replace = lambda bucket, key, body, etag: line.replace(bucket=bucket, key=key, body=body, etag=etag)


# ------------------------------------------------------------------------------------------ what can become of a call

URL = "https://aws"
CLIENT_CALLS = {"submit_job", "list_jobs", "describe_jobs", "terminate_job", "get_object", "put_object"}
NODE_CALLS = {"get_tagged", "get", "put", "create", "replace"}
ENDS = ("interrupted after", "interrupted before", "killed after", "killed before")
AGAIN = "sent again by the SDK"
RETRIED = CLIENT_CALLS - {"submit_job"} | NODE_CALLS


def _unreached(error: Callable[[], BaseException]) -> Outcome:
    def outcome(_: Effect) -> NoReturn:
        raise error()

    return outcome


def _unanswered(error: Callable[[], BaseException]) -> Outcome:
    def outcome(effect: Effect) -> NoReturn:
        effect()
        raise error()

    return outcome


def _twice(effect: Effect) -> Any:
    """The answer to the first try is lost, and the client tries again."""
    effect()
    return effect()


def _half_an_answer(effect: Effect) -> Any:
    effect()
    return {"message": '{"jobId": "0000'}


def _accepted_late(effect: Effect) -> NoReturn:
    process = Process.current
    process.clock.now += 10.5
    effect()
    process.clock.now -= 10.5
    process.sleep(10)
    raise ReadTimeoutError(endpoint_url=URL)


def _closed() -> BaseException:
    return ConnectionClosedError(endpoint_url=URL)


def _node_error() -> BaseException:
    return S3Error("PUT", 0, "no answer")


FAULTS: dict[str, tuple[set[str], Outcome]] = {
    "throttled": ({"submit_job"}, _unreached(lambda: refused("TooManyRequestsException", "SubmitJob"))),
    "no connection": (CLIENT_CALLS, _unreached(lambda: EndpointConnectionError(endpoint_url=URL))),
    "no connection in time": ({"submit_job"}, _unreached(lambda: ConnectTimeoutError(endpoint_url=URL))),
    "server error before": (CLIENT_CALLS, _unreached(lambda: refused("ServerException", "Call"))),
    "server error after": (CLIENT_CALLS, _unanswered(lambda: refused("ServerException", "Call"))),
    "reset before": (CLIENT_CALLS, _unreached(_closed)),
    "lost after": (CLIENT_CALLS, _unanswered(_closed)),
    "accepted after a time-out": ({"submit_job"}, _accepted_late),
    "half an answer": ({"submit_job"}, _half_an_answer),
    "credentials expire": (CLIENT_CALLS, _unreached(lambda: refused("ExpiredTokenException", "Call"))),
    "conflict": ({"put_object"}, _unreached(lambda: refused("ConditionalRequestConflict", "PutObject"))),
    AGAIN: (RETRIED, _twice),
    "S3 fails the container before": (NODE_CALLS, _unreached(_node_error)),
    "S3 fails the container after": (NODE_CALLS, _unanswered(_node_error)),
    "killed before": (CLIENT_CALLS | NODE_CALLS | {ASLEEP}, _unreached(Killed)),
    "killed after": (CLIENT_CALLS | NODE_CALLS, _unanswered(Killed)),
    "interrupted before": (CLIENT_CALLS | {ASLEEP}, _unreached(KeyboardInterrupt)),
    "interrupted after": (CLIENT_CALLS, _unanswered(KeyboardInterrupt)),
}
SENDING = sorted(name for name, (operations, _) in FAULTS.items() if "submit_job" in operations and name not in ENDS)
_NO_CLEAR_ANSWER = {"no connection", "server error before", "server error after", "reset before", "lost after"}
SURVIVED = {
    "submit_job": {
        *_NO_CLEAR_ANSWER, "throttled", "no connection in time", "accepted after a time-out", "half an answer",
    },
    "list_jobs": _NO_CLEAR_ANSWER,
    "put_object": {"conflict"},
}  # fmt: skip
"""What a submitter must not fail of, beside what the SDK sends again."""


@dataclass
class Container:
    """Attempts of one child."""

    job: BatchJob
    child: int
    attempts: int = 0
    process: Process | None = None
    ended: bool = False

    @property
    def is_startable(self) -> bool:
        return not self.ended and self.process is None and self.job.status not in ENDED

    def context(self) -> JobContext:
        named = run_ids.of_job_name(self.job.name)
        assert named
        return JobContext(
            run_id=RUN_ID, project="default", bucket="data", part=named[1], job_id=f"{self.job.job_id}:{self.child}",
            attempt=self.attempts, array_index=self.child,
        )  # fmt: skip


@dataclass
class World:
    """What the processes share, and what has come of them."""

    orderly: bool
    clock: Clock
    s3: WatchedS3
    batch: Batch
    plan: Plan
    clients: Any
    submitters: list[Process] = field(default_factory=list[Process])
    lookers: list[Process] = field(default_factory=list[Process])
    containers: dict[tuple[str, int], Container] = field(default_factory=dict[tuple[str, int], Container])
    executed: dict[tuple[int, int], list[str]] = field(default_factory=lambda: defaultdict(list))
    """By part and child: the Batch job of each execution."""
    settled: dict[int, str] = field(default_factory=dict[int, str])
    """The job that somebody was told is the part and the only one."""

    @property
    def processes(self) -> list[Process]:
        running = [item.process for item in self.containers.values() if item.process]
        return [item for item in [*self.submitters, *self.lookers, *running] if not item.ended]

    @property
    def running_submitters(self) -> list[Process]:
        return [item for item in self.submitters if not item.ended]

    def jobs_of(self, part: int) -> list[BatchJob]:
        return [job for job in self.batch.jobs.values() if run_ids.of_job_name(job.name) == (RUN_ID, part)]

    def holder(self, part: int) -> str:
        return self.s3.holder(PATHS.job(part))

    # -------------------------------------------------------------------------------------------------- time

    def step(self, process: Process, fault: str | None = None) -> None:
        if process.at == ASLEEP:
            self.advance(process.wakes_at, but=process)
        if not process.ended:
            process.step(self._outcome(process, fault))
        self._look_after_containers()

    def advance(self, to: float, but: Process | None = None) -> None:
        """Move the clock. In an orderly world whoever is due goes on meanwhile."""
        while self.orderly and (others := [process for process in self.processes if process is not but]):
            first = min(others, key=self._due)
            if self._due(first) >= to:
                break
            self.clock.now = max(self.clock.now, self._due(first))
            first.step()
            self._look_after_containers()
        self.clock.now = max(self.clock.now, to)

    @staticmethod
    def _due(process: Process) -> float:
        return process.wakes_at if process.at == ASLEEP else process.since + PROMPT_S

    @staticmethod
    def _outcome(process: Process, fault: str | None) -> Outcome:
        operations, outcome = FAULTS.get(fault or "", (set[str](), answered))
        if fault and process.at in operations:
            process.survives &= fault == AGAIN or fault in SURVIVED.get(process.at, ())
            return outcome
        return answered

    # -------------------------------------------------------------------------------------------- containers

    def startable(self) -> list[Container]:
        for job in self.batch.jobs.values():
            if run_ids.of_job_name(job.name) and job.created_at <= self.clock.now:
                for child in range(job.children):
                    self.containers.setdefault((job.job_id, child), Container(job, child))
        return [container for container in self.containers.values() if container.is_startable]

    def start(self, container: Container) -> None:
        container.attempts += 1
        container.job.status = "RUNNING"
        context, s3 = container.context(), NodeLine(self.s3)

        def body() -> None:
            lease.take(s3, context)  # type: ignore[arg-type]
            self.executed[context.part, container.child].append(container.job.job_id)

        container.process = Process(self.clock, body, {})

    def _look_after_containers(self) -> None:
        """End those whose job was ended, and note how the others ended."""
        for container in self.containers.values():
            process, job = container.process, container.job
            if process and not process.ended and job.status in ENDED:
                process.end()
            if process and process.ended:
                error, container.process = process.error, None
                duplicate = isinstance(error, Failure) and error.exit_code == exit_codes.DUPLICATE
                container.ended = error is None or duplicate  # else there is another attempt
                if all(self.containers[job.job_id, child].ended for child in range(job.children)):
                    job.status = job.status if job.status in ENDED else "FAILED" if duplicate else "SUCCEEDED"

    # ----------------------------------------------------------------------------------------------- clients

    def submitter(self, state: dict[str, Any]) -> Process:
        self.submitters.append(Process(self.clock, lambda: self._cluster().send(self.plan), state))
        return self.submitters[-1]

    def looker(self, state: dict[str, Any], then: Callable[[Any], Any] = lambda run: run) -> Process:
        self.lookers.append(Process(self.clock, lambda: then(self._cluster().find(RUN_ID)), state))
        return self.lookers[-1]

    def _cluster(self) -> Cluster:
        cluster = Cluster(self.clients, "dev")
        cluster.__dict__["environment"] = ENVIRONMENT[0]
        return cluster

    def run(self, process: Process) -> None:
        """Let it run to its end, without a fault."""
        for _ in range(MOST_STEPS):
            if process.ended:
                return
            self.step(process)
        raise AssertionError("it does not end")


ENVIRONMENT = list[Environment]()
"""The one in which the machine runs."""
_PLANS = dict[tuple[int, bool], Plan]()


def planned(parts: int, barrier: bool) -> Plan:
    """Return a plan of so many jobs, and of one that only waits for others."""
    if (parts, barrier) not in _PLANS:
        wanted = spec("true", array=parts * CHILDREN, after=FOREIGN if barrier else ())
        _PLANS[parts, barrier] = plan(wanted, ENVIRONMENT[0], RUN_ID)
    return _PLANS[parts, barrier]


class ExactlyOnce(RuleBasedStateMachine):
    """Rules are what happens in the world; invariants are what is promised."""

    world: World
    fine = True

    @initialize(
        orderly=st.booleans(), lag_s=st.sampled_from([10, 4, 40, 10, 4, 40, 0]), parts=st.integers(1, 3),
        barrier=st.booleans(), may_list=st.booleans(),
    )  # fmt: skip
    def begin(self, orderly: bool, lag_s: int, parts: int, barrier: bool, may_list: bool) -> None:
        clock = Clock()
        s3, batch = WatchedS3(clock, may_list=may_list), Batch(clock, lag_s=min(lag_s, 10) if orderly else lag_s)
        for job_id in FOREIGN:
            batch.add(job_id)
        line = Line(batch)
        clients = SimpleNamespace(s3=Line(s3), batch=line, batch_once=line)
        self.world = World(orderly, clock, s3, batch, planned(parts, barrier), clients)
        self.hosts: list[dict[str, Any]] = [{}, {}]
        self.world.submitter(self.hosts[0])

    @precondition(lambda self: len(self.world.submitters) < 5)
    @rule(host=st.integers(0, 1))
    def submit(self, host: int) -> None:
        self.world.submitter(self.hosts[host])

    @precondition(lambda self: sum(not looker.ended for looker in self.world.lookers) < 2)
    @rule(host=st.integers(0, 2), cancels=st.sampled_from([False, False, False, True]))
    def look(self, host: int, cancels: bool) -> None:
        state = self.hosts[host] if host < 2 else {}
        self.world.looker(state, (lambda run: run.cancel(BY_USER)) if cancels else lambda run: run)

    @precondition(lambda self: self.world.processes)
    @rule(which=st.integers(0, 4), steps=st.integers(1, 8))
    def go_on(self, which: int, steps: int) -> None:
        process = self._running(which)
        for _ in range(steps):
            if not process.ended:
                self.world.step(process)

    @precondition(lambda self: self.world.running_submitters)
    @rule(which=st.integers(0, 4), faults=st.lists(st.sampled_from([None, *SENDING]), min_size=1, max_size=5))
    def sending_fails(self, which: int, faults: list[str | None]) -> None:
        """Let the next calls of SubmitJob of one process fail."""
        running = self.world.running_submitters
        process = running[which % len(running)]
        for fault in faults:
            self._go_on_to(process, fault, {"submit_job"})

    @precondition(lambda self: self.world.processes)
    @rule(
        which=st.integers(0, 4),
        fault=st.sampled_from(sorted(set(FAULTS) - {*SENDING, *ENDS})),
        skipped=st.integers(0, 2),
    )
    def call_fails(self, which: int, fault: str, skipped: int) -> None:
        self._go_on_to(self._running(which), fault, FAULTS[fault][0], skipped)

    @precondition(lambda self: self.world.processes)
    @rule(
        which=st.integers(0, 4), fault=st.sampled_from(ENDS), skipped=st.integers(0, 2),
        at=st.sampled_from([{"submit_job"}, {"put_object", "replace", "create"}, {ASLEEP}]),
    )  # fmt: skip
    def process_ends(self, which: int, fault: str, at: set[str], skipped: int) -> None:
        self._go_on_to(self._running(which), fault, at & FAULTS[fault][0], skipped)

    def _go_on_to(self, process: Process, fault: str | None, operations: set[str], skipped: int = 0) -> None:
        """Let a process go on to a call that the fault can hit, or to a later one."""
        for _ in range(MOST_CALLS_BETWEEN_FAULTS):
            hit = process.at in operations
            if process.ended or (hit and not skipped):
                break
            skipped -= hit
            self.world.step(process)
        if not process.ended:
            self.world.step(process, fault)

    def _running(self, which: int) -> Process:
        running = self.world.processes
        return running[which % len(running)]

    @rule(seconds=st.sampled_from([1, 4, 12, 30]))
    def wait(self, seconds: int) -> None:
        self.world.advance(self.world.clock.now + seconds)

    @precondition(lambda self: self.world.startable())
    @rule(which=st.integers(0, 9))
    def start_container(self, which: int) -> None:
        startable = self.world.startable()
        self.world.start(startable[which % len(startable)])

    @invariant()
    def promises_hold(self) -> None:
        if "world" in self.__dict__:
            self.fine = False
            self._check()
            self.fine = True

    def _check(self) -> None:
        world = self.world
        parts = range(len(world.plan.jobs))
        assert world.s3.replaced is None, f"a claim's job id was replaced: {world.s3.replaced}"
        for part in parts:
            holders = {job_id for child in range(CHILDREN) for job_id in world.executed[part, child]}
            assert len(holders) <= 1, f"part {part} was executed by {holders}"
            assert holders <= {world.holder(part)}, f"part {part} was executed by {holders}, held by another job"
            made = world.jobs_of(part)
            if world.orderly:
                assert len(made) <= 1, f"part {part} was sent {len(made)} times"
            for job in made:
                ended = job.reason.startswith("duplicate")
                assert not (ended and world.holder(part) in {"", job.job_id}), f"{job.job_id} was ended as a duplicate"
        for process in [*world.submitters, *world.lookers]:
            if process.ended:
                self._check_report(process)

    def _check_report(self, process: Process) -> None:
        error = process.error
        assert error is None or isinstance(error, HpcError | Killed | KeyboardInterrupt), repr(error)
        if process in self.world.submitters:
            assert not isinstance(error, NotFound), f"sent, and then not found: {error}"
            assert error is None or not process.survives or "does not answer" in str(error), repr(error)
        if process.result is None or isinstance(process.result, list):
            return
        for part in process.result.record.parts:
            if part.settled:
                assert self.world.settled.setdefault(part.number, part.job_id) == part.job_id
                assert self.world.holder(part.number) in {"", part.job_id}

    def teardown(self) -> None:
        if "world" not in self.__dict__:
            return
        try:
            if self.fine:
                self._end()
        finally:
            for process in self.world.processes:
                process.end()

    def _end(self) -> None:
        """Whatever happened: one more submitter without a fault completes the run, and each part is executed once."""
        world = self.world
        for process in world.processes:
            world.run(process)
        self._check()
        last = world.submitter(self.hosts[0])
        world.run(last)
        assert last.error is None, repr(last.error)
        assert last.result.missing == 0
        world.clock.now += 120  # all is listed
        looker = world.looker({})
        world.run(looker)
        assert looker.error is None, repr(looker.error)
        self._check()
        for part, job_id in enumerate(looker.result.job_ids):
            assert world.holder(part) == job_id, "what is reported does not hold the part"
            extra = [job for job in world.jobs_of(part) if job.job_id != job_id]
            assert all(job.status == "FAILED" for job in extra), f"extra jobs of part {part} were not ended"
            assert not (extra and part in world.settled), f"part {part} was settled and has {len(extra)} extra jobs"
        while startable := world.startable():
            world.start(startable[0])
            assert startable[0].process
            world.run(startable[0].process)
        self._check()
        for part, job_id in enumerate(looker.result.job_ids):
            if world.batch.jobs[job_id].reason != BY_USER:
                counts = [len(world.executed[part, child]) for child in range(CHILDREN)]
                assert min(counts) > 0, f"part {part} was lost"
