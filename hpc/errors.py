"""Exceptions with a message for users, and exit codes. The command line prints no other exception."""

from __future__ import annotations

from collections.abc import Sequence

EXIT_OK = 0
EXIT_FAILED = 1
"""AWS or this machine refused; the message says what to do."""
EXIT_BAD_INPUT = 2
"""The input is wrong; nothing was sent."""
EXIT_NO_EXIT_CODE = 125
"""`hpc wait`: the job failed before its command could exit (cancelled, timed out, never started)."""
EXIT_INTERRUPTED = 130
"""128 + SIGINT, as in shells."""
EXIT_TERMINATED = 143
"""128 + SIGTERM."""


class HpcError(Exception):
    """A failure with a message for users and a stable exit code."""

    exit_code = EXIT_FAILED


class BadInput(HpcError):  # noqa: N818 - it names the input, not an event
    """Input that cannot be right, with every complaint, not only the first."""

    exit_code = EXIT_BAD_INPUT

    def __init__(self, complaints: str | Sequence[str]) -> None:
        self.complaints = [complaints] if isinstance(complaints, str) else list(complaints)
        super().__init__("\n".join(self.complaints))


class NotFound(BadInput):
    """The environment, run or job does not exist, or AWS no longer knows it."""
