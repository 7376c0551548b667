"""What ends an attempt from outside: SIGTERM, the notice that EC2 takes a Spot instance back, the time-out.

The command hears of it in time, and is ended in time, so that its checkpoint and its outputs are stored before this
process is killed too.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from hpc.contract import variables
from hpc.contract.paths import HOST_SPOT_NOTICE
from hpc.contract.run_request import RunRequest
from hpc.node.failure import say
from hpc.node.supervisor import Supervisor

POLL_S = 1.0
STOP_GRACE_S = 15.0
"""For how long the command may go on after SIGTERM: ECS kills 30 s after it
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html)."""
KEEP_S = 30.0
"""What is left for checkpoint and outputs before EC2 takes the instance."""
NOTICE_S = 120.0
"""How long before the end the notice comes."""
HOST_GRACE_S = 60.0
"""How long after its time the instance may still be there."""


class Interruption:
    """Watches for it while a command runs."""

    def __init__(self, supervisor: Supervisor, request: RunRequest, env: Mapping[str, str]) -> None:
        folder = env.get(variables.ENV_HOST)
        self._notice = Path(folder, HOST_SPOT_NOTICE) if folder else None
        self._supervisor = supervisor
        self._signal = signal.Signals[request.signal.name] if request.signal else signal.SIGTERM
        self._before_s = float(request.signal.before_s) if request.signal else NOTICE_S
        self._timeout_at = None
        if request.signal and request.timeout_s:
            self._timeout_at = time.monotonic() + request.timeout_s
        self._sent = self._only_tells = False
        self._stopped_at: float | None = None
        self.host_ends_at: float | None = None
        """When EC2 takes the instance, in monotonic time; None if it does not."""
        self.killed = False
        """Whether the command was, because it did not end in time."""
        self.on_notice: Callable[[], object] = lambda: None

    def watch(self, *, only_tells: bool = False) -> None:
        """Watch from now on, in the supervisor's turns.

        Args:
            only_tells: the command is another node's; its end here would end the job before the instance is lost, and
                AWS Batch tries again for a lost instance alone.
        """
        self._only_tells = only_tells
        self._look()

    def rest(self) -> None:
        self._supervisor.never(self._look)

    @property
    def is_near(self) -> bool:
        """Whether no further command should start."""
        return bool(self._supervisor.signal) or self.host_ends_at is not None

    def hold(self) -> None:
        """Wait until EC2 takes the instance: AWS Batch starts the next attempt for a lost instance, and not for a
        command that ended, with whatever exit code. SIGTERM, which ECS sends when it comes to that, ends it too."""
        if self.host_ends_at is None:
            return
        say("waiting for EC2 to take this instance, after which AWS Batch starts the next attempt")
        left = self.host_ends_at + HOST_GRACE_S - time.monotonic()
        self._supervisor.turn_until(lambda: bool(self._supervisor.signal), max(0.0, left))

    def _look(self) -> None:
        self._supervisor.later(POLL_S, self._look)
        now = time.monotonic()
        if self.host_ends_at is None and (left := self._seconds_left()) is not None:
            self.host_ends_at = now + left
            say(f"Spot: EC2 takes this instance back in {left:.0f} s")
            self.on_notice()
        if self._only_tells:
            return
        if self._supervisor.signal and self._stopped_at is None:
            self._stopped_at = now
        ends = [end for end in (self.host_ends_at, self._timeout_at) if end is not None]
        if ends and not self._sent and now >= min(ends) - self._before_s:
            self._sent = True
            say(f"{self._signal.name} to the command, {max(0.0, min(ends) - now):.0f} s before its end")
            self._supervisor.send(self._signal)
        self._kill_in_time(now)

    def _kill_in_time(self, now: float) -> None:
        at = [end - KEEP_S for end in (self.host_ends_at,) if end is not None]
        at += [end + STOP_GRACE_S for end in (self._stopped_at,) if end is not None]
        if at and now >= min(at) and not self.killed:
            self.killed = True
            say("the command has not ended: killed, so that its outputs are stored in time")
            self._supervisor.end_all()

    def _seconds_left(self) -> float | None:
        """Return the time until EC2 takes the instance, None if there is no notice."""
        if self._notice is None:
            return None
        try:
            text = self._notice.read_text(encoding="utf-8")
        except OSError:
            return None
        try:
            until = datetime.fromisoformat(json.loads(text)["time"])
            return max(0.0, (until - datetime.now(UTC)).total_seconds())
        except (ValueError, KeyError, TypeError):  # it says little, but it is there
            return NOTICE_S
