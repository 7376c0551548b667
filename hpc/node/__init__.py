"""`hpc-node`: the container's entrypoint, which runs the user's command.

This module imports nothing heavy: without a run (`HPC_RUN_ID`) it is a plain exec of the command, unless hpc-node is
the container's first process.
"""

from __future__ import annotations

import os
import sys

USAGE = "hpc-node: give the command to run, as in: hpc-node python -c 'print(1)'"
USAGE_MPI = "hpc-mpi: in a job of AWS Batch, give the command of the main node, as in: hpc-mpi mpirun ./solver"
EXIT_USAGE = 64
"""Exit code for a usage error, EX_USAGE of sysexits.h."""


def main() -> int:
    """Run the command given as arguments; return its exit code, or that of hpc-node if the command did not run."""
    command = sys.argv[2:] if sys.argv[1:2] == ["--"] else sys.argv[1:]
    if not command:
        print(USAGE, file=sys.stderr)
        return EXIT_USAGE
    if not os.environ.get("HPC_RUN_ID"):
        return _exec(command)
    from hpc.node.dispatch import run

    return run(command)


def mpi() -> int:
    """Run `hpc-mpi COMMAND`: the command on the main node of a multi-node job that `hpc` did not submit.

    `mpirun` in the command reaches all nodes. In a job that `hpc` submitted the nodes are connected already, and
    `hpc-mpi` is a plain exec of the command.
    """
    command = sys.argv[1:]
    job_id = os.environ.get("AWS_BATCH_JOB_ID", "").partition("#")[0]
    if not command or not job_id:
        print(USAGE_MPI, file=sys.stderr)
        return EXIT_USAGE
    if os.environ.get("HPC_RUN_ID"):
        return _exec(command)
    from hpc.contract import variables
    from hpc.contract.s3_keys import run_of_job
    from hpc.node.dispatch import run

    os.environ[variables.ENV_RUN_ID] = run_of_job(job_id)
    return run(command)


def _exec(command: list[str]) -> int:
    # An interactive shell needs the terminal, and forwards signals and reaps orphans itself.
    if os.getpid() == 1 and not os.isatty(0):
        from hpc.node.init_process import run_as_first

        return run_as_first(command)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the caller chooses the command
    except OSError as error:
        from hpc.node.failure import cannot_start, say

        failure = cannot_start(command[0], error)
        say(str(failure))
        return failure.exit_code
