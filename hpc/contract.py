"""The names that cross a border, once.

The stacks write this contract, the runtime reads it, the container obeys it and the tests hold all three to it.
Standard library only: the container imports it before the user's command starts.

An environment publishes itself as SSM parameters, one per object, because a parameter holds 4 KB
(https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html)::

    /hpc/<environment>/meta
    /hpc/<environment>/queues/<queue>
    /hpc/<environment>/projects/<project>
    /hpc/<environment>/definitions/<project>/<definition>
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

VERSION = "1.1"
"""`major.minor`. A reader refuses only a higher major; a higher minor may add keys, which readers ignore."""

SSM_ROOT = "/hpc"

Kind = Literal["single", "multi-node"]
KINDS: tuple[str, ...] = get_args(Kind)


DEFAULT_QUEUES: dict[Kind, str] = {"single": "loosely-coupled", "multi-node": "tightly-coupled"}
"""Which queue `hpc submit` takes when none is named and the environment has several of the kind."""


OWN_IMAGE_USER = "1000"
"""User that a job definition with an image of one's own must name: no root, and the one of `container/Dockerfile`."""


ECR_PATTERN = r"([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^@]+)"
"""Account, region and repository of an image, or of a repository itself, in a private registry of ECR."""


def secret_of(arn: str) -> str:
    """Return a secret's ARN without the JSON key, version stage and version id that may stand behind its name."""
    return ":".join(arn.split(":")[:7]) if ":secretsmanager:" in arn else arn


def own_definition_name(environment: str, project: str, name: str) -> str:
    """Return what Batch calls a job definition that a project's developer registers, or all that begin so.

    Underscores, which no name of an environment or a project holds: with hyphens, the definitions of project `a-b`
    would begin like those of project `a`.
    """
    return f"hpc_{environment}_{project}_{name}"


def parameter_name(environment: str, *parts: str) -> str:
    """Return the SSM parameter name of an object: `parameter_name("dev", "queues", "on-demand")`."""
    return "/".join((SSM_ROOT, environment, *parts))


# --------------------------------------------------------------------------------------------- published objects


@dataclass(frozen=True, kw_only=True)
class Meta:
    """What holds for the whole environment."""

    version: str
    environment: str
    bucket: str
    log_group: str
    repository: str
    """URI of the ECR repository, without tag."""
    image: str | None
    """URI of the image that the definitions run, pinned by digest; None until one has been pushed."""
    default_project: str


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The most that one job (one node of a multi-node job) can get on one instance type."""

    instance_type: str
    vcpus: int
    memory_mib: int
    """What is left for jobs of the type's memory, not its nominal size."""
    gpus: int = 0


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A job queue and the limits that its compute environments set."""

    name: str
    arn: str
    kind: Kind
    definition: str
    """Name of the definition that `hpc submit` takes when none is named."""
    shapes: tuple[Shape, ...]
    """The largest instances of the queue; every other instance fits into one of them."""
    max_vcpus: int
    """Sum of maxvCpus over the queue's compute environments."""
    spot: bool
    """Whether a job may run on Spot instances, and be interrupted."""
    efa_interfaces: int
    """EFA devices on each instance; 0 where there is no EFA."""
    fair_share: bool
    architecture: str | None = None
    """Of its instances: `x86_64` or `arm64`; None where an older version published the queue."""

    @property
    def max_nodes(self) -> int:
        """Nodes of the largest multi-node job: a node takes a whole instance
        (https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html)."""
        return self.max_vcpus // min(shape.vcpus for shape in self.shapes)


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A job definition of a project."""

    name: str
    project: str
    arn: str
    """With revision, as deployed."""
    kind: Kind
    vcpus: int
    memory_mib: int
    gpus: int
    timeout_s: int
    attempts: int
    efa_interfaces: int = 0
    """EFA devices that its container needs on the instance."""
    image: str | None = None
    """URI of its own image, pinned by digest; None where it runs the environment's."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """A group of researchers with a prefix in the data bucket, a job role and definitions of its own."""

    name: str
    read_buckets: tuple[str, ...] = ()
    share_identifier: str | None = None
    """What its jobs count as in queues with fair share; None where no queue has one."""
    own_repository: str | None = None
    """URI of the repository, without tag, for images of its own; None where it may not bring any."""
    image_sources: tuple[str, ...] = ()
    """Where its own images may come from besides: repositories, or folders of repositories."""
    secrets: tuple[str, ...] = ()
    """ARNs in Secrets Manager and Parameter Store that its job definitions may hand to containers as variables."""


@dataclass(frozen=True, kw_only=True)
class Instance:
    """The instance on which a job runs, as it tells of itself in `HOST_INSTANCE`."""

    instance_id: str
    instance_type: str
    zone: str
    zone_id: str
    region: str
    purchasing: str
    """`spot` or `on-demand`."""
    image_id: str


T = TypeVar("T", Meta, Queue, Definition, Project, Instance)


def to_json(item: Meta | Queue | Definition | Project) -> dict[str, Any]:
    """Return what is stored in the item's parameter."""
    return dataclasses.asdict(item)


def from_json(kind: type[T], text: str) -> T:
    """Read a parameter's value; keys that this version does not know are ignored (a higher minor adds them).

    Raises:
        ValueError: the text is not what the contract says; the message names the key.
    """
    raw = json.loads(text)
    names = {field.name for field in dataclasses.fields(kind)}
    known = {key: value for key, value in raw.items() if key in names}
    for key, value in known.items():
        if isinstance(value, list):
            known[key] = tuple(value)  # pyright: ignore[reportUnknownArgumentType]
    if "shapes" in known:
        known["shapes"] = tuple(Shape(**shape) for shape in known["shapes"])
    try:
        return kind(**known)
    except TypeError as error:
        raise ValueError(f"{kind.__name__.lower()} of the contract: {error}") from None


# ------------------------------------------------------------------------------- submitter -> container: variables

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

# ------------------------------------------------------------------------------------- instance -> container: files

HOST_INSTANCE = "instance.json"
"""In the folder of `ENV_HOST`: an `Instance`. It may be missing for some seconds after the first job's start."""
HOST_SPOT_NOTICE = "spot-notice"
"""Likewise: what EC2 announces two minutes before it takes a Spot instance back, `{"action": "terminate", "time":
"2026-11-22T08:22:00Z"}`; missing until then
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html)."""

ON_FAILURE = ("all", "logs", "none")
"""What is kept of the outputs of a command that failed."""
LOG_SUFFIXES = (".log", ".out", ".err")
"""What a file's name ends in that counts as a log."""

# --------------------------------------------------------------------------- exit codes that hpc-node itself gives

EXIT_MISSING_OUTPUT = 66
"""The command succeeded but left no file for an output that `--output` named."""
EXIT_STAGE_IN = 71
EXIT_STAGE_OUT = 72
EXIT_RENDEZVOUS = 73
"""A node did not arrive in time, or two nodes do not reach each other."""
EXIT_NODE_LOST = 74
"""A node went away while the job ran."""
EXIT_DUPLICATE = 75
"""Another Batch job holds the lease of this task: this one did nothing."""
EXIT_BAD_REQUEST = 76
"""The run's request.json, its tasks file or the variables contradict each other."""
EXIT_NO_EFA = 77
"""The job asks for EFA and a node has none that works."""
EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127

# ------------------------------------------------------------------------------------------------------- S3 layout


def run_of_job(job_id: str) -> str:
    """Return what stands for the run id in a job that `hpc` did not submit: no request.json belongs to it."""
    return f"job-{job_id}"


def object_key(project: str, sha256: str) -> str:
    """Key of a file that was sent from a submitter's machine, or of a folder's listing: named by its content, so that
    it is sent once and can be checked by whoever reads it."""
    return f"{project}/objects/{sha256}"


@dataclass(frozen=True, kw_only=True)
class RunPaths:
    """Keys of one run in the data bucket: `<project>/runs/<run id>/...`."""

    project: str
    run_id: str

    @property
    def prefix(self) -> str:
        return f"{self.project}/runs/{self.run_id}/"

    @property
    def request(self) -> str:
        """What was asked, by whom, with which version and SHA-256; claimed with `If-None-Match: *`."""
        return self.prefix + "request.json"

    @property
    def tasks(self) -> str:
        """One JSON object a line, one line a task, in the order of their positions."""
        return self.prefix + "tasks.jsonl"

    @property
    def tasks_index(self) -> str:
        """Where each line of `tasks` begins, and where the last one ends: TASK_OFFSETs."""
        return self.prefix + "tasks.idx"

    @property
    def outputs(self) -> str:
        return self.prefix + "outputs/"

    def output(self, index: int) -> str:
        """Prefix of the outputs of one task."""
        return f"{self.outputs}{index}/"

    def checkpoint(self, index: int, node: int | None) -> str:
        """Prefix of what a task has saved, or one node of a multi-node job."""
        return f"{self.prefix}checkpoints/{index}/" + ("" if node is None else f"node-{node}/")

    def status(self, index: int) -> str:
        """Written last, after all outputs of the task."""
        return f"{self.prefix}status/{index}.json"

    def pack_status(self, part: int, child: int) -> str:
        """What `status` holds, one line for each task that has ended, of a child that runs several."""
        return f"{self.prefix}status/pack-{part}-{child}.jsonl"

    def job(self, part: int) -> str:
        """Says which Batch job is the part, or that one is being sent; only one writer wins."""
        return f"{self.prefix}leases/{part}/job"

    def barrier(self, number: int) -> str:
        """The same of a job that only waits for others."""
        return f"{self.prefix}leases/after-{number}/job"

    def lease(self, part: int, index: int) -> str:
        """Holds the Batch job id and attempt that execute the task."""
        return f"{self.prefix}leases/{part}/{index}"

    def rendezvous(self, part: int, attempt: int, node: int | None = None) -> str:
        """Where the main node of a multi-node job says how to reach it, and another node why it does not come."""
        return f"{self.prefix}rendezvous/{part}/{attempt}{'' if node is None else f'-node-{node}'}.json"


# ------------------------------------------------------------------------------------------------------------ tags

TAG_ENVIRONMENT = "hpc:environment"
TAG_PROJECT = "hpc:project"
TAG_RUN = "hpc:run"
TAG_USER = "hpc:user"
