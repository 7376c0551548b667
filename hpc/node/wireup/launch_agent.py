"""Launch agent that `mpirun` runs instead of ssh.

`launch_agent.py SOCKET [-OPTION...] HOST COMMAND...` asks hpc-node to start the command on HOST. The options are those
of ssh (`-q -x`) and are ignored.

This file imports nothing from the package, since it starts once per node, for all nodes at the same time.
"""

from __future__ import annotations

import itertools
import json
import socket
import sys


def main() -> int:
    """Return the exit code of the command on the host, or 1 with a line on stderr if it could not be started."""
    name, *rest = sys.argv[1:]
    host, *command = itertools.dropwhile(lambda word: word.startswith("-"), rest)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"\0{name}")
        sock.sendall(json.dumps({"host": host, "command": " ".join(command)}).encode() + b"\n")
        with sock.makefile("rb") as answers:
            answer = json.loads(answers.readline(65536) or b'{"error": "hpc-node has ended"}')
    if "error" in answer:
        print(f"hpc-node: cannot start MPI on {host}: {answer['error']}", file=sys.stderr)
        return 1
    return int(answer["exit_code"])


if __name__ == "__main__":
    sys.exit(main())
