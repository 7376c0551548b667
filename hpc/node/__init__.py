"""`hpc-node`: what the container starts, and what starts the user's command.

Nothing heavy is imported here: without a run (`HPC_RUN_ID`) this is a plain exec of the command.
"""

from __future__ import annotations

import os
import sys

USAGE = "hpc-node: give the command to run, as in: hpc-node python -c 'print(1)'"
EXIT_USAGE = 64


def main() -> int:
    """Run the command given as arguments; return the exit code, which is the command's own wherever it ran."""
    command = sys.argv[1:]
    if not command:
        print(USAGE, file=sys.stderr)
        return EXIT_USAGE
    if not os.environ.get("HPC_RUN_ID"):
        return _exec(command)
    from hpc.node.run import run

    return run(command)


def _exec(command: list[str]) -> int:
    try:
        os.execvp(command[0], command)  # noqa: S606 - the command is the caller's own
    except OSError as error:
        from hpc.node.failure import cannot_start, say

        failure = cannot_start(command[0], error)
        say(str(failure))
        return failure.exit_code
