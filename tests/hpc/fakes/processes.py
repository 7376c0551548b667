"""Processes that run in one order: each stands still at a call of a service or a sleep until it is told to go on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, ClassVar

from tests.hpc.fakes.clock import Clock

Effect = Callable[[], Any]
"""The call, when it reaches the service."""
Outcome = Callable[[Effect], Any]
"""What becomes of a call: it may reach the service, and the process may get its answer."""
ASLEEP = "sleep"


class Killed(BaseException):
    """The process is gone: it gets nothing done any more, not even in a `finally`."""


def answered(effect: Effect) -> Any:
    """The outcome where nothing goes wrong."""
    return effect()


class _Worker:
    """A thread that runs one process after the other: starting one takes longer than a process does."""

    def __init__(self) -> None:
        self._work = queue.SimpleQueue[tuple[Callable[[], None], threading.Lock]]()
        threading.Thread(target=self._serve, daemon=True).start()

    def run(self, body: Callable[[], None], done: threading.Lock) -> None:
        self._work.put((body, done))

    def _serve(self) -> None:
        while True:
            body, done = self._work.get()
            body()
            _IDLE.append(self)
            done.release()


_IDLE = list[_Worker]()


class Process:
    """A thread that never runs while its test does."""

    current: ClassVar[Process]

    def __init__(self, clock: Clock, body: Callable[[], Any], state: dict[str, Any]) -> None:
        self.clock = clock
        self.state = state
        """What the machine that it runs on keeps."""
        self.at = ASLEEP
        """The operation before which it stands."""
        self.since = self.wakes_at = clock.now
        self.survives = True
        """Whether every fault so far is one of which it must not fail."""
        self.ended = False
        self.result: Any = None
        self.error: BaseException | None = None
        self._dead = False
        self._outcome: Outcome = answered
        self._go, self._back = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._back.acquire()
        Process.current = self
        (_IDLE.pop() if _IDLE else _Worker()).run(lambda: self._run(body), self._back)
        self._back.acquire()

    def _run(self, body: Callable[[], Any]) -> None:
        try:
            self.result = body()
        except BaseException as error:  # the test looks at it
            self.error = error
        self.ended = True

    def step(self, outcome: Outcome = answered) -> None:
        """Let it make the call before which it stands, or wake up, and run to the next."""
        assert not self.ended
        self._outcome = outcome
        Process.current = self
        self._go.release()
        self._back.acquire()

    def end(self) -> None:
        """Kill it where it stands."""
        self._dead = True
        while not self.ended:
            self.step()

    # ------------------------------------------------------------------------------------- what the process does

    def call(self, operation: str, effect: Effect) -> Any:
        """Stand before a call; then make it, with the outcome that the test has for it."""
        if not self._dead:
            self.at, self.since = operation, self.clock.now
            self._back.release()
            self._go.acquire()
        if self._dead:
            raise Killed
        try:
            return self._outcome(effect)
        except Killed:
            self._dead = True
            raise

    def sleep(self, seconds: float) -> None:
        self.wakes_at = self.clock.now + seconds
        self.call(ASLEEP, lambda: None)


class Time:
    """Stands for the module `time` in code that a process runs."""

    @staticmethod
    def monotonic() -> float:
        return Process.current.clock.now

    @staticmethod
    def sleep(seconds: float) -> None:
        Process.current.sleep(seconds)


class Line:
    """A client whose every call is one of the process that makes it."""

    def __init__(self, service: Any) -> None:
        self._service = service
        self.exceptions = service.exceptions if hasattr(service, "exceptions") else None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._service, name)
        return lambda **arguments: Process.current.call(name, lambda: method(**arguments))

    def get_paginator(self, operation: str) -> Any:
        """Return a paginator; its pages come with one call."""
        return _Paginator(self._service.get_paginator(operation), operation)


class _Paginator:
    def __init__(self, paginator: Any, operation: str) -> None:
        self._paginator, self._operation = paginator, operation

    def paginate(self, **arguments: Any) -> Any:
        return Process.current.call(self._operation, lambda: list(self._paginator.paginate(**arguments)))
