"""Failures and log lines of hpc-node: few lines, on stderr, each with the prefix `hpc-node:`."""

from __future__ import annotations

import sys

from hpc.contract import exit_codes


class Failure(Exception):  # noqa: N818 - a way in which a job ends, not a program error
    """The job ends with `exit_code`; the message says what happened and what to check."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def say(message: str) -> None:
    """Write one line of hpc-node to the log of this node."""
    print(f"hpc-node: {message}", file=sys.stderr, flush=True)


def cannot_start(program: str, error: OSError) -> Failure:
    """Return the failure of a command that could not be started, with the exit code of a shell."""
    if isinstance(error, FileNotFoundError):
        hint = "no such file" if "/" in program else "no such program on PATH"
        return Failure(exit_codes.NOT_FOUND, f"cannot start {program!r}: {hint} in this image")
    return Failure(exit_codes.NOT_EXECUTABLE, f"cannot start {program!r}: {error.strerror}")
