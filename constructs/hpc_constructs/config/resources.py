"""The named entries of a configuration: projects, compute environments, queues, job definitions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from hpc.contract.objects import Kind
from hpc_constructs.config.field_types import (
    AllocationStrategy,
    AmiId,
    BucketName,
    ContainerPath,
    ImageReference,
    ImageSource,
    InstanceTypeName,
    MiB,
    Model,
    Name,
    Script,
    SecretArn,
    ShareIdentifier,
    SharePattern,
    Ulimit,
    UlimitName,
    UserName,
    VariableName,
    Weight,
    distinct,
    frozen,
)


class Workflow(Model):
    """A Step Functions state machine that runs a sweep, then a solver on several nodes, then a reduction
    (docs/workflow-engines.md); `{}` takes the defaults."""

    queue: Name | None = None
    """Queue of kind `single`. Default: the first one."""
    multi_node_queue: Name | None = None
    """Queue of kind `multi-node`. Default: the first one."""


class Project(Model):
    """A group of researchers: a prefix in the data bucket, a job role, job definitions and a submitter policy."""

    read_buckets: Annotated[tuple[BucketName, ...], AfterValidator(distinct)] = Field(default=(), strict=False)
    """Other buckets that the project's jobs may read."""
    share_identifier: ShareIdentifier | None = None
    """Share identifier of its jobs in queues with fair share. Default: the project's name without hyphens."""
    own_images: bool = False
    """Custom images: the project gets an image repository, and a developer policy for
    pushing to it and registering job definitions with its images (docs/permissions.md)."""
    image_sources: Annotated[tuple[ImageSource, ...], AfterValidator(distinct)] = Field(
        default=(), max_length=10, strict=False
    )
    """With `own_images: true`: repositories, or folders of repositories, whose images developers may use in addition to
    the project's and the environment's, such as `public.ecr.aws/biocontainers`; always by digest."""
    secrets: Annotated[tuple[SecretArn, ...], AfterValidator(distinct)] = Field(default=(), max_length=10, strict=False)
    """With `own_images: true`: secrets in Secrets Manager and Parameter Store, by full ARN, that developers may give
    to their containers (`hpc submit --secret`), which the execution role then reads."""
    workflow: Workflow | None = None
    """A state machine for jobs in sequence. Default: none."""


class ComputeEnvironment(Model):
    """A managed EC2 compute environment."""

    purchasing: Literal["on-demand", "spot"] = "on-demand"
    """Purchasing option of the instances. Multi-node jobs run on On-Demand instances only."""
    instance_types: Annotated[tuple[InstanceTypeName, ...], AfterValidator(distinct)] = Field(
        default=("default_x86_64",), min_length=1, strict=False
    )
    """Instance types, families, or Batch's classes `optimal`, `default_x86_64`, `default_arm64`. Exactly one type
    for EFA and for multi-node queues."""
    min_vcpus: int = Field(default=0, ge=0, le=1_000_000)
    """vCPUs that are kept running, and charged, without any job."""
    max_vcpus: int = Field(default=256, ge=1, le=1_000_000)
    """Maximum number of vCPUs that run at once."""
    image_id: AmiId | None = None
    """Custom machine image, which must contain the ECS agent. Default: the newest ECS-optimized Amazon Linux 2023
    image of the instance types' architecture, with the NVIDIA driver where they have GPUs."""
    scale_down_delay_minutes: int | None = Field(default=None, ge=20, le=10_080)
    """Minutes for which an instance without jobs is kept running, and charged, for the next job. Default: Batch
    terminates it at once."""
    root_volume_gib: int = Field(default=100, ge=100, le=65_536)
    """Size of each instance's root volume (gp3, encrypted), which holds images and the jobs' scratch files."""
    root_volume_iops: int = Field(default=3000, ge=3000, le=80_000)
    """I/O operations per second of the root volume, at most 500 for each GiB."""
    root_volume_throughput_mib_s: int = Field(default=125, ge=125, le=2000)
    """Throughput of the root volume in MiB/s, at most a quarter of its IOPS."""
    scratch: Literal["root-volume", "instance-store"] = "root-volume"
    """Storage of the jobs' scratch files. `instance-store`: on the NVMe volumes of the instance types, combined
    and mounted at /scratch, in jobs as well, with the path in HPC_SCRATCH. All jobs of an instance share it."""
    user_data: tuple[Script, ...] = Field(default=(), strict=False)
    """Shell scripts that run as root at the first boot of every instance, before it takes jobs; together at most
    4,096 bytes. Bash, unless the first line names another interpreter."""
    allocation_strategy: AllocationStrategy | None = None
    """Default: SPOT_PRICE_CAPACITY_OPTIMIZED for Spot, BEST_FIT_PROGRESSIVE for On-Demand."""
    efa: bool = False
    """Launch instances with all Elastic Fabric Adapters that their type supports, in the EFA subnet."""
    placement_group: bool | None = None
    """Launch instances close together, in a cluster placement group in the EFA subnet. Default: same as
    `efa`."""

    @property
    def strategy(self) -> AllocationStrategy:
        if self.allocation_strategy:
            return self.allocation_strategy
        return "SPOT_PRICE_CAPACITY_OPTIMIZED" if self.purchasing == "spot" else "BEST_FIT_PROGRESSIVE"

    @property
    def clustered(self) -> bool:
        return self.efa if self.placement_group is None else self.placement_group


class FairShare(Model):
    """Fair-share scheduling instead of first in, first out
    (https://docs.aws.amazon.com/batch/latest/userguide/fair-share-scheduling.html)."""

    share_decay_s: int = Field(default=0, ge=0, le=604_800)
    """Seconds over which past usage counts, recent usage more than older. 0 is Batch's minimum, 600 seconds."""
    compute_reservation: int = Field(default=0, ge=0, le=99)
    """Percentage of the vCPUs reserved for shares that have no job yet: with two active shares its square, with three
    its cube."""
    shares: Annotated[Mapping[SharePattern, Weight], AfterValidator(frozen)] = Field(
        default_factory=lambda: MappingProxyType({}), max_length=500
    )
    """Weight factors of share identifiers, or of prefixes: `climate: 0.5`, `test*: 2`. A lower factor gets more: 0.5
    gets twice as much as 1. An identifier that is not listed has 1."""


class JobStateTimeLimits(Model):
    """Seconds for which the job at the head of a queue may block it, by Batch's reason; then the job is cancelled and
    the next one is tried. `null`: no limit
    (https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html)."""

    job_resource_requirement_s: int | None = Field(default=3600, ge=600, le=86_400)
    """No instance of the queue is as large as the job requires."""
    compute_environment_max_resource_s: int | None = Field(default=3600, ge=600, le=86_400)
    """The job requires more than max_vcpus."""
    insufficient_instance_capacity_s: int | None = Field(default=86_400, ge=600, le=86_400)
    """EC2 has no capacity for the instance types."""
    ec2_instance_configuration_unsupported_s: int | None = Field(default=None, ge=600, le=86_400)
    """EC2 cannot launch the instances as configured, for example a type that the zone does not offer. Default: no
    limit, since not every region supports this reason."""


class Queue(Model):
    """A job queue."""

    kind: Kind = "single"
    """`single`: jobs and array jobs of one container. `multi-node`: jobs over several instances."""
    priority: int = Field(default=1, ge=0, le=1000)
    """Among queues that share a compute environment, the highest priority is served first."""
    compute_environments: Annotated[tuple[Name, ...], AfterValidator(distinct)] = Field(
        min_length=1, max_length=3, strict=False
    )
    """Compute environments in the order in which they are tried; exactly one for a multi-node queue."""
    fair_share: FairShare | None = None
    """Fair-share scheduling. Default: first in, first out. Adding or removing it replaces the queue and ends its
    jobs."""
    job_state_time_limits: JobStateTimeLimits = JobStateTimeLimits()
    """Time limits after which a job that cannot start is cancelled, so that it does not block the others."""
    definition: Name | None = None
    """Job definition that `hpc submit` takes when none is named. Default: `task`, or `mpi` for multi-node."""

    @property
    def default_definition(self) -> str:
        return self.definition or ("task" if self.kind == "single" else "mpi")


class Definition(Model):
    """A job definition; each project gets a separate copy. A submission may request more or less of each resource."""

    kind: Kind = "single"
    """Kind of the queues that run it."""
    vcpus: int | None = Field(default=None, ge=1, le=1_000_000)
    """vCPUs of the container. Default: 1; for multi-node all vCPUs of the instance type."""
    memory_mib: int | None = Field(default=None, ge=4, le=100_000_000)
    """Memory of the container. Default: 2048; for multi-node 92 % of the instance type's memory."""
    gpus: int = Field(default=0, ge=0, le=64)
    """GPUs of the container."""
    shared_memory_mib: int | None = Field(default=None, ge=1, le=100_000_000)
    """Size of /dev/shm, which is part of the memory. Default: a quarter of it."""
    tmpfs: Annotated[Mapping[ContainerPath, MiB], AfterValidator(frozen)] = Field(
        default_factory=lambda: MappingProxyType({})
    )
    """File systems in memory by path, in MiB: `/tmp: 1024`. They are part of the memory."""
    ulimits: Annotated[Mapping[UlimitName, Ulimit], AfterValidator(frozen)] = Field(
        default_factory=lambda: MappingProxyType({})
    )
    """Limits of the container, soft and hard, -1 for none: `nofile: 65536`. A multi-node container
    also has `memlock: -1`, which EFA needs."""
    image: ImageReference | None = None
    """Image by digest: `sha256:...` in the environment's repository, or `registry/name@sha256:...` anywhere, for the
    architecture of the queues' instances, which is not verified before a job starts. With `egress: endpoints`: in ECR,
    in the same region. `hpc submit` needs `hpc-node` as its entrypoint. Default: the
    environment's image."""
    user: UserName | None = None
    """User, or user:group, that the container runs as. Default: the user of the image, which is not root in the image
    of `container/Dockerfile`. A single job that runs as root can reach its instance's credentials."""
    read_only_root: bool = False
    """Restrict writing to mounted folders; `tmpfs` must then include /tmp."""
    secrets: Annotated[Mapping[VariableName, SecretArn], AfterValidator(frozen)] = Field(
        default_factory=lambda: MappingProxyType({})
    )
    """Environment variables whose values come from Secrets Manager or Parameter Store, by full ARN, when the container
    starts. For values encrypted with a customer managed key, the key's policy must admit the execution role."""
    enable_execute_command: bool = False
    """Allow `aws ecs execute-command` to open a shell in running containers; their job role then gets access
    to Session Manager."""
    timeout_s: int = Field(default=86_400, ge=60, le=31_536_000)
    """Seconds after which an attempt is terminated. Batch's minimum is 60."""
    attempts: int = Field(default=3, ge=1, le=10)
    """Maximum number of attempts. Only failures of the platform are retried (a reclaimed Spot instance, an image that
    could not be pulled), never a command that failed."""
