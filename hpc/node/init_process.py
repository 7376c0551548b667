"""hpc-node as the first process of a container that runs a plain command.

The kernel gives such a process no default action for signals, and gives it all orphans: a command in that place would
neither hear SIGTERM nor reap. So hpc-node stays, passes on signals, reaps, and ends as the command ends.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from hpc.node.failure import Failure, say
from hpc.node.supervisor import Supervisor


def run_as_first(command: Sequence[str]) -> int:
    """Run the command; return its exit code, 128 + N for signal N. What it leaves behind ends with the container."""
    supervisor = Supervisor()
    supervisor.interruptible = False
    ended: list[int] = []
    try:
        supervisor.start(command, os.environ, ended.append)
    except Failure as failure:
        say(str(failure))
        return failure.exit_code
    supervisor.turn_until(lambda: bool(ended))
    return ended[0]
