"""The configuration of an environment: what a platform team may say, with every default.

Words are those of the AWS services; sizes and times carry their unit in the name. The sets of compute environments,
queues and job definitions that exist without a word are in `defaults.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from ipaddress import IPv4Network
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from hpc.contract import Kind
from hpc_constructs.instances import CLASSES, UnknownInstanceTypeError, expand

T = TypeVar("T")

NAME_PATTERN = r"^[a-z][a-z0-9-]{0,30}$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
ZoneId = Annotated[str, StringConstraints(pattern=r"^[a-z]{3,4}[0-9]{1,2}-az[0-9]{1,2}$")]
BucketName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
VpcId = Annotated[str, StringConstraints(pattern=r"^vpc-([0-9a-f]{8}|[0-9a-f]{17})$")]
SubnetId = Annotated[str, StringConstraints(pattern=r"^subnet-([0-9a-f]{8}|[0-9a-f]{17})$")]
ExtraEndpoint = Literal[
    "batch", "ec2", "ec2messages", "elasticfilesystem", "kms", "monitoring", "secretsmanager", "ssm", "ssmmessages",
    "sts",
]  # fmt: skip
"""Services by the last part of their endpoint's name
(https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html)."""
AmiId = Annotated[str, StringConstraints(pattern=r"^ami-([0-9a-f]{8}|[0-9a-f]{17})$")]
ShareIdentifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,255}$")]
SharePattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,255}\*?$")]
Weight = Annotated[float, Field(ge=0.0001, le=999.9999)]
IMAGE_PATTERN = r"^([a-z0-9][a-z0-9.:-]*\.[a-z0-9.:-]+/[a-z0-9][a-z0-9._/-]*@)?sha256:[0-9a-f]{64}$"
ImageReference = Annotated[str, StringConstraints(pattern=IMAGE_PATTERN)]
ContainerPath = Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9_.-]+)+$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
UserName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)?$")]
SECURE_ARN_PATTERN = (
    r"^arn:[a-z-]+:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:\S+|ssm:[a-z0-9-]+:[0-9]{12}:parameter/\S+)$"
)
SecretArn = Annotated[str, StringConstraints(pattern=SECURE_ARN_PATTERN)]
UlimitName = Literal[
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
]  # fmt: skip
"""https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Ulimit.html"""
MiB = Annotated[int, Field(ge=1, le=100_000_000)]
Ulimit = Annotated[int, Field(ge=-1)]
Script = Annotated[str, StringConstraints(pattern=r"\S")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\"]+$")]

RetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""

AllocationStrategy = Literal["BEST_FIT_PROGRESSIVE", "SPOT_CAPACITY_OPTIMIZED", "SPOT_PRICE_CAPACITY_OPTIMIZED"]
"""The strategies whose compute environments can be updated in place
(https://docs.aws.amazon.com/batch/latest/userguide/infrastructure-updates.html)."""

STRATEGIES: tuple[str, ...] = get_args(AllocationStrategy)


def _instance_type(name: str) -> str:
    try:
        expand(name)
    except UnknownInstanceTypeError as error:
        nearest = ", ".join(error.nearest)
        raise PydanticCustomError(
            "unknown_instance_type",
            "unknown instance type",
            {
                "allowed": nearest or f"EC2 instance types and families, {', '.join(CLASSES)}",
                "burstable": name.startswith("t"),
            },
        ) from None
    return name


def _digits(value: object) -> object:
    return str(value) if type(value) is int else value


def _vpc_cidr(text: str) -> str:
    try:
        network = IPv4Network(text)
    except ValueError:
        network = None
    if network is None or not 16 <= network.prefixlen <= 20 or not network.is_private:
        raise PydanticCustomError("vpc_cidr", "not a private IPv4 block of /16 to /20")
    return text


def _date(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise PydanticCustomError("date", "not a date") from None
    return text


def _distinct(items: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(items)) != len(items):
        raise PydanticCustomError("distinct", "an entry is listed twice")
    return items


def _frozen(items: Mapping[str, T]) -> Mapping[str, T]:
    return MappingProxyType(dict(items))


Percent = Annotated[int, Field(ge=1, le=1000)]
InstanceTypeName = Annotated[str, AfterValidator(_instance_type)]


class Model(BaseModel):
    """Frozen; knows its keys; a number in quotes is no number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class Network(Model):
    """Where instances stand: a VPC of the environment's own, or an existing one, whose owner has seen to everything in
    docs/existing-vpc.md."""

    cidr: Annotated[str, AfterValidator(_vpc_cidr)] = "10.0.0.0/16"
    """Private IPv4 block, /16 to /20. Subnets are laid out for four zones, so that zones can be added later."""
    zones: int = Field(default=2, ge=1, le=4)
    """Number of availability zones; the first holds the EFA subnet and the NAT gateway."""
    zone_ids: Annotated[tuple[ZoneId, ...], AfterValidator(_distinct)] | None = Field(
        default=None, min_length=1, max_length=6, strict=False
    )
    """Zones by id, which is the same in every account, such as use1-az6: required for instance types that few
    zones offer. At most four; the first holds the EFA subnet and the NAT gateway. Default: the first zones of the
    region. In an existing VPC: the zones of `subnet_ids`, in their order."""
    egress: Literal["nat", "endpoints"] = "nat"
    """How private subnets reach AWS. `nat`: through one NAT gateway. `endpoints`: through interface endpoints alone;
    there is no way to the internet and none from it. S3 is reached through a gateway endpoint in both cases."""
    extra_endpoints: Annotated[tuple[ExtraEndpoint, ...], AfterValidator(_distinct)] = Field(default=(), strict=False)
    """With `egress: endpoints`: services that jobs call besides S3 and CloudWatch Logs; each costs as much an hour as
    another endpoint in every zone."""
    flow_logs: bool = True
    """Whether the VPC's traffic is recorded in CloudWatch Logs."""
    flow_logs_retention_days: RetentionDays = 90
    """Days after which flow logs are deleted."""
    vpc_id: VpcId | None = None
    """An existing VPC. Then `subnet_ids` is required, and the keys above, `zone_ids` apart, are its owner's.
    Default: the environment makes a VPC of its own."""
    subnet_ids: Annotated[tuple[SubnetId, ...], AfterValidator(_distinct)] | None = Field(
        default=None, min_length=1, max_length=6, strict=False
    )
    """Private subnets of the existing VPC, at most one in each zone. Default: those of the environment's own VPC."""
    efa_subnet_id: SubnetId | None = None
    """The one of `subnet_ids` that holds the nodes of EFA and placement-group environments. Default: the first."""

    @property
    def zone_count(self) -> int:
        if self.subnet_ids:
            return len(self.subnet_ids)
        return len(self.zone_ids) if self.zone_ids else self.zones

    @property
    def efa_zone_id(self) -> str | None:
        """Zone of the EFA subnet; None if the configuration does not say."""
        if not self.zone_ids:
            return None
        if self.subnet_ids and self.efa_subnet_id in self.subnet_ids:
            index = self.subnet_ids.index(self.efa_subnet_id)
            return self.zone_ids[index] if index < len(self.zone_ids) else None
        return self.zone_ids[0]


class Image(Model):
    """The container image that the job definitions run."""

    digest: Digest | None = None
    """`sha256:...` of an image in the environment's repository. Default: none has been pushed yet; jobs are refused
    until one is. The context value `-c image_digest=sha256:...` wins over this one."""


class Logs(Model):
    """The log group of all jobs."""

    retention_days: RetentionDays = 90
    """Days after which log events are deleted."""


class Data(Model):
    """The data bucket."""

    noncurrent_days: int = Field(default=30, ge=1, le=3650)
    """Days after which an overwritten or deleted version of an object is removed for good."""
    abort_multipart_days: int = Field(default=7, ge=1, le=365)
    """Days after which the parts of an upload that was never finished are removed."""


class Project(Model):
    """A group of researchers: a prefix in the data bucket, a job role, job definitions and a submitter policy."""

    read_buckets: Annotated[tuple[BucketName, ...], AfterValidator(_distinct)] = Field(default=(), strict=False)
    """Other buckets that the project's jobs may read."""
    share_identifier: ShareIdentifier | None = None
    """What its jobs count as in queues with fair share. Default: the project's name without hyphens."""


class ComputeEnvironment(Model):
    """A managed EC2 compute environment."""

    purchasing: Literal["on-demand", "spot"] = "on-demand"
    """How EC2 sells the instances. Multi-node jobs run on On-Demand instances only."""
    instance_types: Annotated[tuple[InstanceTypeName, ...], AfterValidator(_distinct)] = Field(
        default=("default_x86_64",), min_length=1, strict=False
    )
    """Instance types, families, or Batch's classes `optimal`, `default_x86_64`, `default_arm64`. Exactly one type
    for EFA and for multi-node queues."""
    min_vcpus: int = Field(default=0, ge=0, le=1_000_000)
    """vCPUs that are kept running, and paid for, without any job."""
    max_vcpus: int = Field(default=256, ge=1, le=1_000_000)
    """Most vCPUs that run at once."""
    image_id: AmiId | None = None
    """Machine image of your own, which must hold the ECS agent. Default: the newest ECS-optimized Amazon Linux 2023
    image of the instance types' architecture, with the NVIDIA driver where they have GPUs."""
    scale_down_delay_minutes: int | None = Field(default=None, ge=20, le=10_080)
    """Minutes for which an instance without jobs is kept, and paid for, in case the next job comes. Default: Batch
    ends it at once."""
    root_volume_gib: int = Field(default=100, ge=100, le=65_536)
    """Size of each instance's root volume (gp3, encrypted), which holds images and the jobs' scratch files."""
    root_volume_iops: int = Field(default=3000, ge=3000, le=80_000)
    """I/O operations per second of the root volume, at most 500 for each GiB."""
    root_volume_throughput_mib_s: int = Field(default=125, ge=125, le=2000)
    """Throughput of the root volume in MiB/s, at most a quarter of its IOPS."""
    scratch: Literal["root-volume", "instance-store"] = "root-volume"
    """Where the jobs' scratch files lie. `instance-store`: on the NVMe volumes that the instance types bring along,
    joined and mounted at /scratch, which jobs see as /scratch and find named in HPC_SCRATCH. All jobs of an instance
    share it."""
    user_data: tuple[Script, ...] = Field(default=(), strict=False)
    """Shell scripts that run as root at the first boot of every instance, before it takes jobs; together at most
    8,192 bytes. Bash, unless the first line says otherwise."""
    allocation_strategy: AllocationStrategy | None = None
    """Default: SPOT_PRICE_CAPACITY_OPTIMIZED for Spot, BEST_FIT_PROGRESSIVE for On-Demand."""
    efa: bool = False
    """Whether instances get all Elastic Fabric Adapters that their type takes, in the EFA subnet."""
    placement_group: bool | None = None
    """Whether instances stand close together, in a cluster placement group of the EFA subnet. Default: as `efa`."""

    @property
    def strategy(self) -> AllocationStrategy:
        if self.allocation_strategy:
            return self.allocation_strategy
        return "SPOT_PRICE_CAPACITY_OPTIMIZED" if self.purchasing == "spot" else "BEST_FIT_PROGRESSIVE"

    @property
    def clustered(self) -> bool:
        return self.efa if self.placement_group is None else self.placement_group


class FairShare(Model):
    """Scheduling by shares instead of first in, first out
    (https://docs.aws.amazon.com/batch/latest/userguide/fair-share-scheduling.html)."""

    share_decay_s: int = Field(default=0, ge=0, le=604_800)
    """Seconds over which past use counts, the recent more than the older. 0 is Batch's least window, 600 seconds."""
    compute_reservation: int = Field(default=0, ge=0, le=99)
    """Percentage of the vCPUs that is kept free for shares that have no job yet: of two active shares the square of
    it, of three its cube."""
    shares: Annotated[Mapping[SharePattern, Weight], AfterValidator(_frozen)] = Field(
        default_factory=lambda: MappingProxyType({}), max_length=500
    )
    """Weight factors of share identifiers, or of all that begin so: `climate: 0.5`, `test*: 2`. The lower, the more:
    0.5 gets twice what 1 gets. An identifier that is not listed has 1."""


class JobStateTimeLimits(Model):
    """For how long the first job of a queue may block it, in seconds, by the reason that Batch gives; then it is
    cancelled and the next one has its turn. `null`: for ever
    (https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html)."""

    job_resource_requirement_s: int | None = Field(default=3600, ge=600, le=86_400)
    """No instance of the queue is as large as the job asks for."""
    compute_environment_max_resource_s: int | None = Field(default=3600, ge=600, le=86_400)
    """The job is larger than max_vcpus."""
    insufficient_instance_capacity_s: int | None = Field(default=86_400, ge=600, le=86_400)
    """EC2 has no instances of the types left."""
    ec2_instance_configuration_unsupported_s: int | None = Field(default=None, ge=600, le=86_400)
    """EC2 cannot launch the instances as they are configured, such as a type that the zone does not offer. Default:
    for ever, as not every region knows this reason."""


class Queue(Model):
    """A job queue."""

    kind: Kind = "single"
    """`single`: jobs and array jobs of one container. `multi-node`: jobs over several instances."""
    priority: int = Field(default=1, ge=0, le=1000)
    """Among queues that share a compute environment, the higher is served first."""
    compute_environments: Annotated[tuple[Name, ...], AfterValidator(_distinct)] = Field(
        min_length=1, max_length=3, strict=False
    )
    """Compute environments in the order in which they are tried; exactly one for a multi-node queue."""
    fair_share: FairShare | None = None
    """Shares instead of first in, first out. Default: first in, first out. A queue that gets or loses its shares is
    replaced, and its jobs end with it."""
    job_state_time_limits: JobStateTimeLimits = JobStateTimeLimits()
    """When a job that cannot start is cancelled, so that it does not block the others."""
    definition: Name | None = None
    """Job definition that `hpc submit` takes when none is named. Default: `task`, or `mpi` for multi-node."""

    @property
    def default_definition(self) -> str:
        return self.definition or ("task" if self.kind == "single" else "mpi")


class Definition(Model):
    """A job definition; each project gets its own copy. A submission may ask for more or less of each resource."""

    kind: Kind = "single"
    """As of the queues that run it."""
    vcpus: int | None = Field(default=None, ge=1, le=1_000_000)
    """vCPUs of the container. Default: 1; for multi-node all vCPUs of the instance type."""
    memory_mib: int | None = Field(default=None, ge=4, le=100_000_000)
    """Memory of the container. Default: 2048; for multi-node 92 % of the instance type's memory."""
    gpus: int = Field(default=0, ge=0, le=64)
    """GPUs of the container."""
    shared_memory_mib: int | None = Field(default=None, ge=1, le=100_000_000)
    """Size of /dev/shm, which is part of the memory. Default: a quarter of it."""
    tmpfs: Annotated[Mapping[ContainerPath, MiB], AfterValidator(_frozen)] = Field(
        default_factory=lambda: MappingProxyType({})
    )
    """File systems in memory by path, in MiB: `/tmp: 1024`. They are part of the memory."""
    ulimits: Annotated[Mapping[UlimitName, Ulimit], AfterValidator(_frozen)] = Field(
        default_factory=lambda: MappingProxyType({})
    )
    """Limits of the container, soft and hard, -1 for none: `nofile: 65536`. A multi-node container has
    `memlock: -1` besides, which EFA needs."""
    image: ImageReference | None = None
    """Image by digest: `sha256:...` in the environment's repository, or `registry/name@sha256:...` anywhere, for the
    architecture of the queues' instances. `hpc submit` needs `hpc-node` as its entrypoint. Default: the
    environment's image."""
    user: UserName | None = None
    """User, or user:group, that the container runs as. Default: the image's own, which is no root in the image that
    `container/Dockerfile` builds."""
    read_only_root: bool = False
    """Whether the container can write to mounted folders only; /tmp must be one of `tmpfs` then."""
    secrets: Annotated[Mapping[VariableName, SecretArn], AfterValidator(_frozen)] = Field(
        default_factory=lambda: MappingProxyType({})
    )
    """Environment variables whose values come from Secrets Manager or Parameter Store, by full ARN, when the container
    starts. Values encrypted with a key of your own need that key's policy to admit the execution role."""
    enable_execute_command: bool = False
    """Whether `aws ecs execute-command` can open a shell in running containers; their job role may then talk to
    Session Manager."""
    timeout_s: int = Field(default=86_400, ge=60, le=31_536_000)
    """Seconds after which an attempt is ended. Batch's least is 60."""
    attempts: int = Field(default=3, ge=1, le=10)
    """Attempts in all. Only failures of the platform are tried again (a reclaimed Spot instance, an image that could
    not be pulled), never a command that failed."""


class Operations(Model):
    """What watches an environment: notices, alarms, the dashboard, the history of jobs, the budget."""

    emails: Annotated[tuple[Email, ...], AfterValidator(_distinct)] = Field(default=(), max_length=50, strict=False)
    """Addresses that get notices of failed jobs, blocked queues, alarms and the budget; each must confirm the message
    that SNS sends it. Default: none; notices still reach the topic, to which anything else may subscribe."""
    history_retention_days: RetentionDays = 365
    """Days after which the history of jobs is deleted."""
    alarm_failed_jobs: int = Field(default=50, ge=1, le=1_000_000)
    """Alarm when so many jobs of a queue failed within an hour; each child of an array counts."""
    alarm_wait_minutes: int = Field(default=240, ge=1, le=1440)
    """Alarm when a job of a queue waited longer than this for its instance."""
    dashboard: bool = True
    """Whether there is a CloudWatch dashboard."""
    budget_monthly_usd: int | None = Field(default=None, ge=1, le=100_000_000)
    """Monthly budget of everything with the tag hpc:environment of this environment, which must be activated as a
    cost allocation tag in the billing console. Default: no budget."""
    budget_alert_percents: Annotated[tuple[Percent, ...], AfterValidator(_distinct)] = Field(
        default=(80, 100), min_length=1, max_length=4, strict=False
    )
    """Parts of the budget at which a notice is sent; one more is sent when the forecast exceeds it."""


class Environment(Model):
    """One environment: what `cdk deploy -c env=<name>` builds."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,19}$")]
    """Name of the file, without `.yaml`."""
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")] | None = None
    """Region to deploy to. Default: the one of the credentials."""
    account: Annotated[str, BeforeValidator(_digits), StringConstraints(pattern=r"^[0-9]{12}$")] | None = None
    """Account to deploy to, 12 digits. Default: the one of the credentials."""
    ami_refresh: Annotated[str, AfterValidator(_date)] | None = None
    """Day of the last wish for new machine images, such as 2026-11-22. A new day replaces the instances of every
    compute environment by ones with the newest image. Default: images change only with another change of the compute
    environment's instances."""
    removal: Literal["retain", "destroy"] = "retain"
    """What happens to the data bucket, the image repository and the log group when the stack is deleted."""
    network: Network = Network()
    image: Image = Image()
    logs: Logs = Logs()
    data: Data = Data()
    operations: Operations = Operations()
    projects: Annotated[Mapping[Name, Project], AfterValidator(_frozen)] = Field(
        default_factory=lambda: MappingProxyType({"default": Project()}), min_length=1, max_length=20
    )
    """Projects by name; the first is the one that `hpc submit` takes when none is named."""
    compute_environments: Annotated[Mapping[Name, ComputeEnvironment], AfterValidator(_frozen)] = Field(
        min_length=1, max_length=50
    )
    """Compute environments by name, added to those of `defaults.yaml`; `null` leaves one of those out."""
    queues: Annotated[Mapping[Name, Queue], AfterValidator(_frozen)] = Field(min_length=1, max_length=50)
    """Job queues by name, likewise."""
    definitions: Annotated[Mapping[Name, Definition], AfterValidator(_frozen)] = Field(min_length=1, max_length=50)
    """Job definitions by name, likewise."""

    def share_identifier(self, project: str) -> str:
        """Return what the jobs of a project count as in queues with fair share."""
        return self.projects[project].share_identifier or project.replace("-", "")

    @property
    def has_fair_share(self) -> bool:
        return any(queue.fair_share for queue in self.queues.values())

    @property
    def default_project(self) -> str:
        return next(iter(self.projects))


def inner_model(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model that a field holds, if it holds one."""
    kinds = [field.annotation, *get_args(field.annotation)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


SECTIONS_WITH_DEFAULTS = ("compute_environments", "queues", "definitions")
