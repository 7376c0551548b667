"""Environment variables shared by the job definition, the submitter, hpc-node and the user's command."""

from __future__ import annotations

ENV_BUCKET = "HPC_BUCKET"
"""Set by the job definition: the data bucket."""
ENV_PROJECT = "HPC_PROJECT"
"""Set by the job definition: the project, whose name is the prefix that the job role may use."""
ENV_RUN_ID = "HPC_RUN_ID"
"""Set at submission. Without it hpc-node is a plain exec of the command, for clients other than `hpc`."""
ENV_WORKFLOW = "HPC_WORKFLOW"
"""Set by the state machine of a project: the folder through which the steps of an execution exchange files, as
`s3://bucket/<project>/workflows/<execution>/`."""
ENV_PART = "HPC_PART"
"""Set at submission: number of this Batch job within the run, from 0."""

ENV_COMMAND = "HPC_COMMAND"
"""Set at submission to COMMAND_IN_REQUEST if SubmitJob would not accept the command unchanged."""
COMMAND_IN_REQUEST = "request"
"""Value of ENV_COMMAND if request.json holds the command."""

# Set by hpc-node for the user's command, in addition to one variable for each named input and output.
ENV_INDEX = "HPC_INDEX"
"""Number of the task within the run, from 0."""
ENV_INPUT_DIR = "HPC_INPUT_DIR"
"""Folder of the inputs, each in a subfolder with its name."""
ENV_OUTPUT_DIR = "HPC_OUTPUT_DIR"
"""Folder whose files are stored in the run's `outputs/<index>/`."""
ENV_CHECKPOINT_DIR = "HPC_CHECKPOINT_DIR"
"""With `--checkpoint`: folder whose files are restored for the next attempt of the task."""
ENV_NODE_LOG = "HPC_NODE_LOG"
"""File whose text appears in the log stream of this node; ranks append to it."""
ENV_NODE_ADDRESS = "HPC_NODE_ADDRESS"
"""Multi-node: IPv4 address at which the other nodes reach this one."""
ENV_HOSTFILE = "HPC_HOSTFILE"
"""Multi-node: path of the Open MPI hostfile, which `mpirun` uses by default."""

# Settings of hpc-node, with defaults; a definition or --setenv may change them.
ENV_RENDEZVOUS_TIMEOUT_S = "HPC_RENDEZVOUS_TIMEOUT_S"
RENDEZVOUS_TIMEOUT_S = 600
"""Seconds within which all nodes of a multi-node job must register."""
ENV_HEARTBEAT_S = "HPC_HEARTBEAT_S"
HEARTBEAT_S = 10
"""Seconds between two heartbeats of a node; a node that misses more than four is lost."""
ENV_S3_TIMEOUT_S = "HPC_S3_TIMEOUT_S"
S3_TIMEOUT_S = 30
"""Seconds without progress after which a request to S3 is retried. Only the job definition can change it, since a
run's own variables come from S3."""
ENV_EFA = "HPC_EFA"
"""Multi-node: one of EFA_MODES. `auto`, the default: a device, if there is one, must work; `require`: there must be a
working one; `prefer`: TCP if a node has no working device; `off`: TCP. A container does not start without the devices
that its definition lists, so `auto` requires EFA in queues that have it."""
EFA_MODES = ("auto", "require", "prefer", "off")
ENV_SCRATCH = "HPC_SCRATCH"
"""Folder for inputs and outputs; default: the system's folder for temporary files."""

ENV_SHARED = "HPC_SHARED"
"""Set by the job definition if the environment has a shared file system: the project's folder in it."""
ENV_HOST = "HPC_HOST"
"""Set by the job definition: the read-only folder in which the instance describes itself."""
