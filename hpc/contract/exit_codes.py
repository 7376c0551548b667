"""Exit codes of hpc-node itself; every other code is that of the user's command (docs/exit-codes.md)."""

from __future__ import annotations

MISSING_OUTPUT = 66
"""The command succeeded but wrote no file for an output that `--output` names."""
STAGE_IN = 71
"""An input could not be fetched, or the disk has no room for it."""
STAGE_OUT = 72
"""An output could not be stored."""
RENDEZVOUS = 73
"""A node did not register in time, or two nodes cannot reach each other."""
NODE_LOST = 74
"""A node was lost while the job ran."""
DUPLICATE = 75
"""Another Batch job holds the lease of this task; this one did nothing."""
BAD_REQUEST = 76
"""The run's request.json, its tasks file or the environment variables contradict each other."""
NO_EFA = 77
"""The job requires EFA, and a node has no working EFA device."""
NOT_EXECUTABLE = 126
"""The command cannot be executed; the code that shells use."""
NOT_FOUND = 127
"""The command is not in the image; the code that shells use."""
