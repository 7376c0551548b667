"""Environment variables between the job definition, the submitter, hpc-node and the user's command."""

from __future__ import annotations

ENV_BUCKET = "HPC_BUCKET"
"""Set by the job definition: the data bucket."""
ENV_PROJECT = "HPC_PROJECT"
"""Set by the job definition: the project, which is the prefix that the job role may use."""
ENV_RUN_ID = "HPC_RUN_ID"
"""Set at submit. Without it hpc-node is a plain exec of the command, for clients other than `hpc`."""
ENV_WORKFLOW = "HPC_WORKFLOW"
"""Set by the state machine of a project: where the steps of an execution leave files for each other, as
`s3://bucket/<project>/workflows/<execution>/`."""
ENV_PART = "HPC_PART"
"""Set at submit: number of this Batch job within the run, from 0."""

ENV_COMMAND = "HPC_COMMAND"
"""Set at submit to `request` where request.json holds the command, because the API would not take it as it is."""
COMMAND_IN_REQUEST = "request"

# What the user's command finds in its environment, beside one variable for each named input and output.
ENV_INDEX = "HPC_INDEX"
"""Number of the task within the run, from 0."""
ENV_INPUT_DIR = "HPC_INPUT_DIR"
ENV_OUTPUT_DIR = "HPC_OUTPUT_DIR"
"""Everything that the command leaves here goes to the run's `outputs/<index>/`."""
ENV_CHECKPOINT_DIR = "HPC_CHECKPOINT_DIR"
"""With `--checkpoint`: what the command writes here, the next attempt of the task finds here."""
ENV_NODE_LOG = "HPC_NODE_LOG"
"""A file of this node: what a rank appends to it appears in the node's own log stream."""
ENV_NODE_ADDRESS = "HPC_NODE_ADDRESS"
"""Multi-node: the IPv4 address at which the other nodes reach this one."""
ENV_HOSTFILE = "HPC_HOSTFILE"
"""Multi-node: path of the Open MPI hostfile. `mpirun` finds it by itself."""

# Knobs of hpc-node, with defaults; a definition or --setenv may set them.
ENV_RENDEZVOUS_TIMEOUT_S = "HPC_RENDEZVOUS_TIMEOUT_S"
RENDEZVOUS_TIMEOUT_S = 600
ENV_HEARTBEAT_S = "HPC_HEARTBEAT_S"
HEARTBEAT_S = 10
"""Between two signs of life of a multi-node job's nodes; a node that gives none for more than four is lost."""
ENV_S3_TIMEOUT_S = "HPC_S3_TIMEOUT_S"
S3_TIMEOUT_S = 30
"""For how long a request to S3 may stay without an answer, or an answer without going on, before it is repeated; a
definition alone can set it, for a run's own variables come from S3."""
ENV_EFA = "HPC_EFA"
"""Multi-node: about EFA. `auto`: a device that is there must work; `require`: there must be one that works;
`prefer`: TCP where a node has none that works; `off`: TCP. A container whose definition lists a device does not start
without it, so `auto`, the default, requires EFA in queues that have it."""
EFA_MODES = ("auto", "require", "prefer", "off")
ENV_SCRATCH = "HPC_SCRATCH"
"""Folder for inputs and outputs; default: the system's folder for temporary files."""

ENV_SHARED = "HPC_SHARED"
"""Set by the job definition where the environment has a shared file system: the project's folder in it."""
ENV_HOST = "HPC_HOST"
"""Set by the job definition: the folder in which the instance tells of itself, read-only."""
