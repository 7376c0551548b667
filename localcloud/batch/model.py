"""The state of the service: compute environments, queues, definitions, jobs."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from localcloud.json_types import Json
from localcloud.process_group import RunningProcess

Status = Literal["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"]
Kind = Literal["single", "array", "multi-node", "node"]
CANCELLABLE = ("SUBMITTED", "PENDING", "RUNNABLE")
ENDED = ("SUCCEEDED", "FAILED")

watchers: list[Callable[[str, Job], None]] = []
"""Called for each event of a job, with the event's detail type."""

_sequence = itertools.count(1)


def now_ms() -> int:
    """Return the time in the unit of the API: milliseconds since 1970."""
    return int(time.time() * 1000)


@dataclass(frozen=True)
class Scope:
    """An account in a Region, the limit of visibility."""

    account: str
    region: str

    def arn(self, resource: str, service: str = "batch") -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


@dataclass(eq=False)
class ComputeEnvironment:
    detail: Json
    """The answer of DescribeComputeEnvironments."""
    used_vcpus: int = 0
    egress_kinds: set[tuple[str, ...]] = field(default_factory=set)
    """Kinds of jobs, each with the subnets, that are known to reach the AWS services."""

    @property
    def max_vcpus(self) -> int:
        return int(self.detail["computeResources"]["maxvCpus"])

    @property
    def is_spot(self) -> bool:
        return self.detail["computeResources"]["type"] == "SPOT"

    @property
    def usable(self) -> bool:
        return self.detail["state"] == "ENABLED" and self.detail["status"] == "VALID"


@dataclass(eq=False)
class Queue:
    detail: Json
    """The answer of DescribeJobQueues."""
    jobs: list[Job] = field(default_factory=list)
    """Jobs in the order of submission, without children and nodes."""
    runnable: dict[str, list[tuple[int, int, Job]]] = field(default_factory=dict)
    """Heap per share identifier ("" without fair share): negative priority, sequence, job."""

    @property
    def fair_share(self) -> bool:
        return "schedulingPolicyArn" in self.detail

    def push(self, job: Job) -> None:
        priority = -job.priority if self.fair_share else 0
        heapq.heappush(self.runnable.setdefault(job.request.share, []), (priority, job.sequence, job))

    def head(self, share: str) -> Job | None:
        """Return the first waiting job of the share, dropping cancelled ones."""
        heap = self.runnable.get(share, [])
        while heap and heap[0][2].status != "RUNNABLE":
            heapq.heappop(heap)
        return heap[0][2] if heap else None

    def pop(self, share: str) -> None:
        heapq.heappop(self.runnable[share])


@dataclass(frozen=True)
class Request:
    """The part of a SubmitJob request that all children share."""

    retry: Json
    timeout_s: int | None
    parameters: Json
    tags: Json
    propagate_tags: bool
    depends_on: tuple[Json, ...]
    share: str = ""


@dataclass(eq=False)
class Attempt:
    """One attempt to run one container."""

    task_id: str
    stream: str | None = None
    """None if the container never started."""
    address: str | None = None
    """IPv4 address of the container; None if it shares the host's network."""
    instance_folder: Path | None = None
    """The instance's folder /run/hpc."""
    pulled_at: tuple[int, int] | None = None
    """Start and end of the image pull, in ms."""
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it runs or never will."""
    ending: Literal["", "stop", "kill"] = ""
    """How it was asked to end."""
    process: RunningProcess | None = None
    started_at: int | None = None
    stopped_at: int | None = None
    exit_code: int | None = None
    reason: str | None = None
    status_reason: str | None = None
    host_lost: bool = False
    """Its instance was terminated."""

    @property
    def instance_id(self) -> str:
        """The id of the instance; every container has a separate one."""
        return f"i-{self.task_id[:17]}"


@dataclass(eq=False, slots=True)
class Job:
    """A job, the child of an array (its index set), or the node of a multi-node job (kind "node")."""

    job_id: str
    name: str
    scope: Scope
    queue: Queue
    definition: Json
    kind: Kind
    request: Request
    container: Json
    """The effective container; empty for a multi-node parent."""
    vcpus: int
    """Share of maxvCpus that it takes; for a multi-node job that of all nodes."""
    priority: int = 0
    parent: Job | None = None
    index: int | None = None
    """Array index or node index."""
    children: list[Job] = field(default_factory=list)
    """Children of an array, or nodes of a multi-node job."""
    main_node: int = 0
    node_properties: Json = field(default_factory=dict)
    status: Status = "SUBMITTED"
    status_reason: str | None = None
    created_at: int = field(default_factory=now_ms)
    started_at: int | None = None
    stopped_at: int | None = None
    sequence: int = field(default_factory=lambda: next(_sequence))
    attempts: list[Attempt] = field(default_factory=list)
    """Ended attempts, then the running one."""
    stop_reason: str | None = None
    """Set by cancel, terminate or timeout."""
    unmet: int = 0
    doomed: bool = False
    """A job that it depends on has failed."""
    released: bool = False
    dependents: list[Job] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    compute_environment: ComputeEnvironment | None = None
    is_cancelled: bool = False
    is_terminated: bool = False

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def is_array_child(self) -> bool:
        return self.kind == "single" and self.parent is not None

    def set_status(self, status: Status) -> None:
        if self.is_array_child and self.parent is not None:
            self.parent.counts[self.status] -= 1
            self.parent.counts[status] += 1
        changed, self.status = status != self.status, status
        if changed:
            self._notify("Batch Job State Change")

    def blocks(self, reason: str | None) -> None:
        """Record why the job at the head of its queue can never start, or None if it only waits for capacity."""
        changed, self.status_reason = reason != self.status_reason, reason
        if changed and reason is not None:
            self._notify("Batch Job Queue Blocked")

    def _notify(self, detail_type: str) -> None:
        for watcher in watchers:
            watcher(detail_type, self)


@dataclass(eq=False)
class State:
    """All resources of one scope."""

    scope: Scope
    compute_environments: dict[str, ComputeEnvironment] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)
    definitions: dict[str, list[Json]] = field(default_factory=dict)
    """Revisions by name; the revision number is the position plus one."""
    policies: dict[str, Json] = field(default_factory=dict)
    """Scheduling policies by ARN."""
    jobs: dict[str, Job] = field(default_factory=dict)
    """All jobs by id, including children and nodes."""
