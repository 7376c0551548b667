#!/usr/bin/env bash
# MPICH's mpiexec exits with a code that no rank returned.
#
# Expected: the exit code of one failed rank (the first or the highest, as with Open MPI), and 128+N for a rank killed by
#   signal N, as in a shell or Docker.
# Actual: mpiexec (Hydra) returns the bitwise OR of all ranks' exit codes. 1 and 2 give 3. 64 and 11 give 75, which is
#   EX_TEMPFAIL, "try again". 137 and 3 give 139, which reads as a segmentation fault. A rank killed by SIGKILL gives 9.
# Affects: everything that maps exit codes to actions, such as AWS Batch's evaluateOnExit: a rule for "137" (out of memory)
#   never matches, and a rule for "75" matches failures that should not be retried.
# Source: https://github.com/pmodels/mpich/issues/586 ("instead of just OR'ing them"),
#   https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
python3 -m venv "$temp/venv"
"$temp/venv/bin/pip" -q --disable-pip-version-check install mpich==5.0.2 mpi4py==4.1.2
export PATH="$temp/venv/bin:$PATH"

cat > "$temp/rank.py" <<'END'
"""Exit with the code given for this rank, or die by the signal given as -N."""
import os, sys, time
from mpi4py import MPI

mine = int(sys.argv[1 + MPI.COMM_WORLD.rank])
MPI.COMM_WORLD.barrier()
if mine < 0:
    os.kill(os.getpid(), -mine)
if min(map(int, sys.argv[1:])) < 0:
    time.sleep(20)  # until mpiexec ends this rank
sys.exit(mine)
END

mpichversion | head -1
changed=0
try() { # exit code or -signal of either rank, expected exit code of mpiexec
    local code=0
    timeout 30 mpiexec -n 2 python "$temp/rank.py" "$1" "$2" > "$temp/log" 2>&1 || code=$?
    echo "ranks end with $1 and $2: mpiexec exits $code"
    [ "$code" = "$3" ] || { echo "CHANGED: it was $3"; cat "$temp/log"; changed=1; }
}
try 0 64 64
try 1 2 3
try 64 11 75
try 137 3 139
try 0 -9 9
try 0 -15 15
exit $changed
