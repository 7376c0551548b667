"""Exit codes that hpc-node itself gives; every other code is the command's own."""

from __future__ import annotations

MISSING_OUTPUT = 66
"""The command succeeded but left no file for an output that `--output` named."""
STAGE_IN = 71
STAGE_OUT = 72
RENDEZVOUS = 73
"""A node did not arrive in time, or two nodes do not reach each other."""
NODE_LOST = 74
"""A node went away while the job ran."""
DUPLICATE = 75
"""Another Batch job holds the lease of this task: this one did nothing."""
BAD_REQUEST = 76
"""The run's request.json, its tasks file or the variables contradict each other."""
NO_EFA = 77
"""The job asks for EFA and a node has none that works."""
NOT_EXECUTABLE = 126
NOT_FOUND = 127
