"""A clock that stands still until a test moves it; it replaces the module `time` where one is imported."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

START_S = 1_790_000_000.75


@dataclass
class Clock:
    """Seconds since 1970."""

    now: float = START_S
    slept: list[float] = field(default_factory=list[float])

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def to_the_second(self) -> datetime:
        """Return the time as HTTP headers have it."""
        return datetime.fromtimestamp(int(self.now), UTC)
