"""hpc-node as the first process of a container that runs a plain command.

For process 1 the kernel applies no default signal actions, and makes it the parent of all orphans: most commands in its
place would ignore SIGTERM and never reap. So hpc-node stays, forwards signals, reaps, and ends when the command ends.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from hpc.node.failure import Failure, say
from hpc.node.supervisor import Supervisor


def run_as_first(command: Sequence[str]) -> int:
    """Run the command; return its exit code, 128 + N for signal N. Its remaining processes end with the container."""
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
