"""What can go wrong, in the user's words. The command line prints these; nothing else reaches a user."""

from __future__ import annotations

from collections.abc import Sequence

EXIT_OK = 0
EXIT_FAILED = 1
"""AWS or this machine refused; the message says what to do."""
EXIT_BAD_INPUT = 2
"""Something given is wrong; nothing has been sent."""
EXIT_NO_EXIT_CODE = 125
"""`hpc wait`: the job failed before its command could exit (cancelled, timed out, never started)."""
EXIT_INTERRUPTED = 130
"""SIGINT, as shells say it."""
EXIT_TERMINATED = 143
"""SIGTERM."""


class HpcError(Exception):
    """A failure with a message for people and a stable exit code."""

    exit_code = EXIT_FAILED


class BadInput(HpcError):  # noqa: N818 - it is what the user gave, not an accident
    """What was given cannot be right. Holds every complaint, not only the first."""

    exit_code = EXIT_BAD_INPUT

    def __init__(self, complaints: str | Sequence[str]) -> None:
        self.complaints = [complaints] if isinstance(complaints, str) else list(complaints)
        super().__init__("\n".join(self.complaints))


class NotFound(BadInput):
    """The run or job that was named does not exist (any more)."""
