"""How hpc-node stops, and how it speaks: few lines, on stderr, each with its name in front."""

from __future__ import annotations

import sys

from hpc.contract import exit_codes


class Failure(Exception):  # noqa: N818 - not an error of the program: a way in which a job ends
    """The job ends here with `exit_code`; the message says what happened and what to look at."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def say(message: str) -> None:
    """Write one line of hpc-node's own into the log of this node."""
    print(f"hpc-node: {message}", file=sys.stderr, flush=True)


def cannot_start(program: str, error: OSError) -> Failure:
    """Return what a shell would answer for a command that could not be started."""
    if isinstance(error, FileNotFoundError):
        hint = "no such file" if "/" in program else "no such program on PATH"
        return Failure(exit_codes.NOT_FOUND, f"cannot start {program!r}: {hint} in this image")
    return Failure(exit_codes.NOT_EXECUTABLE, f"cannot start {program!r}: {error.strerror}")
