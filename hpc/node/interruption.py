"""Interruption of an attempt from outside: SIGTERM, EC2's Spot interruption notice, the job's time-out.

The command is notified in time and ended in time, so that its checkpoint and outputs are stored before this process is
killed as well.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from hpc.contract import variables
from hpc.contract.host_files import HOST_SPOT_NOTICE
from hpc.contract.run_request import RunRequest
from hpc.node.failure import say
from hpc.node.supervisor import Supervisor

POLL_S = 1.0
"""Seconds between two checks."""
STOP_GRACE_S = 15.0
"""Seconds that the command may run after SIGTERM: ECS sends SIGKILL 30 s after SIGTERM
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html)."""
KEEP_S = 30.0
"""Seconds reserved for storing checkpoint and outputs before EC2 reclaims the instance."""
NOTICE_S = 120.0
"""Seconds between the Spot interruption notice and the interruption
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html)."""
HOST_GRACE_S = 60.0
"""Seconds after the announced time for which the instance may still exist."""


class Interruption:
    """Watcher for interruptions while a command runs."""

    def __init__(self, supervisor: Supervisor, request: RunRequest, env: Mapping[str, str]) -> None:
        folder = env.get(variables.ENV_HOST)
        self._notice = Path(folder, HOST_SPOT_NOTICE) if folder else None
        self._supervisor = supervisor
        self._signal = signal.Signals[request.signal.name] if request.signal else signal.SIGTERM
        self._before_s = float(request.signal.before_s) if request.signal else NOTICE_S
        self._timeout_at = None
        if request.signal and request.timeout_s:
            self._timeout_at = time.monotonic() + request.timeout_s
        self._sent = self._notify_only = False
        self._stopped_at: float | None = None
        self.host_ends_at: float | None = None
        """Monotonic time at which EC2 reclaims the instance; None without a notice."""
        self.killed = False
        """True if the command was killed because it did not end in time."""
        self.on_notice: Callable[[], object] = lambda: None

    def watch(self, *, notify_only: bool = False) -> None:
        """Watch from now on, in the supervisor's turns.

        Args:
            notify_only: call `on_notice`, but neither signal nor end processes: the command runs on another node, and
                its end here would end the job before the instance is lost, while AWS Batch retries only if it is lost.
        """
        self._notify_only = notify_only
        self._look()

    def stop(self) -> None:
        """Stop watching."""
        self._supervisor.cancel(self._look)

    @property
    def is_near(self) -> bool:
        """True if no further command should start."""
        return bool(self._supervisor.signal) or self.host_ends_at is not None

    def hold(self) -> None:
        """Wait until EC2 reclaims the instance, or until ECS sends SIGTERM on that occasion.

        AWS Batch starts the next attempt for a lost instance, but not for a command that ended, with any exit code.
        """
        if self.host_ends_at is None:
            return
        say("waiting for EC2 to reclaim this instance, after which AWS Batch starts the next attempt")
        timeout_s = self.host_ends_at + HOST_GRACE_S - time.monotonic()
        self._supervisor.turn_until(lambda: bool(self._supervisor.signal), max(0.0, timeout_s))

    def _look(self) -> None:
        self._supervisor.later(POLL_S, self._look)
        now = time.monotonic()
        if self.host_ends_at is None and (left := self._seconds_left()) is not None:
            self.host_ends_at = now + left
            say(f"Spot: EC2 reclaims this instance in {left:.0f} s")
            self.on_notice()
        if self._notify_only:
            return
        if self._supervisor.signal and self._stopped_at is None:
            self._stopped_at = now
        ends = [end for end in (self.host_ends_at, self._timeout_at) if end is not None]
        if ends and not self._sent and now >= min(ends) - self._before_s:
            self._sent = True
            say(f"sending {self._signal.name} to the command, {max(0.0, min(ends) - now):.0f} s before its end")
            self._supervisor.send(self._signal)
        self._kill_in_time(now)

    def _kill_in_time(self, now: float) -> None:
        at = [end - KEEP_S for end in (self.host_ends_at,) if end is not None]
        at += [end + STOP_GRACE_S for end in (self._stopped_at,) if end is not None]
        if at and now >= min(at) and not self.killed:
            self.killed = True
            say("the command has not ended in time: killing it to store its outputs")
            self._supervisor.end_all()

    def _seconds_left(self) -> float | None:
        """Return the seconds until EC2 reclaims the instance; None without a notice."""
        if self._notice is None:
            return None
        try:
            text = self._notice.read_text(encoding="utf-8")
        except OSError:
            return None
        try:
            until = datetime.fromisoformat(json.loads(text)["time"])
            return max(0.0, (until - datetime.now(UTC)).total_seconds())
        except (ValueError, KeyError, TypeError):  # an unreadable notice is still a notice
            return NOTICE_S
