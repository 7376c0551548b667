"""The sections of a configuration: network, image, logs, data, operations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from hpc_constructs.config.field_types import (
    Digest,
    Email,
    ExtraEndpoint,
    InfrequentAccessDays,
    Model,
    Percent,
    RetentionDays,
    SubnetId,
    VpcId,
    ZoneId,
    distinct,
    vpc_cidr,
)


class Network(Model):
    """Network of the instances: a dedicated VPC, or an existing one that meets docs/existing-vpc.md."""

    cidr: Annotated[str, AfterValidator(vpc_cidr)] = "10.0.0.0/16"
    """Private IPv4 block, /16 to /20. Address space is reserved for four zones, so that zones can be added later."""
    zones: int = Field(default=2, ge=1, le=4)
    """Number of availability zones; the first holds the EFA subnet and the NAT gateway."""
    zone_ids: Annotated[tuple[ZoneId, ...], AfterValidator(distinct)] | None = Field(
        default=None, min_length=1, max_length=6, strict=False
    )
    """Availability zones by id, such as use1-az6, which is the same in every account; required for instance types that
    few zones offer. At most four; the first holds the EFA subnet and the NAT gateway. Default: the first zones of the
    region. In an existing VPC: the zones of `subnet_ids`, in their order."""
    egress: Literal["nat", "endpoints"] = "nat"
    """Egress of private subnets. `nat`: through one NAT gateway. `endpoints`: through interface endpoints only,
    with no route to or from the internet. S3 is reached through a gateway endpoint in both cases."""
    extra_endpoints: Annotated[tuple[ExtraEndpoint, ...], AfterValidator(distinct)] = Field(default=(), strict=False)
    """With `egress: endpoints`: services that jobs call in addition to S3 and CloudWatch Logs; each adds an endpoint in
    every zone, which is charged by the hour."""
    flow_logs: bool = True
    """Record the VPC's traffic in CloudWatch Logs."""
    flow_logs_retention_days: RetentionDays = 90
    """Days after which flow logs are deleted."""
    vpc_id: VpcId | None = None
    """An existing VPC. `subnet_ids` is then required, and of the keys above only `zone_ids` is allowed. Default: the
    environment creates a dedicated VPC."""
    subnet_ids: Annotated[tuple[SubnetId, ...], AfterValidator(distinct)] | None = Field(
        default=None, min_length=1, max_length=6, strict=False
    )
    """Private subnets of the existing VPC, at most one in each zone. Default: those of the dedicated VPC."""
    efa_subnet_id: SubnetId | None = None
    """The one of `subnet_ids` that holds the nodes of EFA and placement-group environments. Default: the first."""

    @property
    def zone_count(self) -> int:
        if self.subnet_ids:
            return len(self.subnet_ids)
        return len(self.zone_ids) if self.zone_ids else self.zones

    @property
    def efa_zone_id(self) -> str | None:
        """Zone of the EFA subnet; None if the configuration has no zones."""
        if not self.zone_ids:
            return None
        if self.subnet_ids and self.efa_subnet_id in self.subnet_ids:
            index = self.subnet_ids.index(self.efa_subnet_id)
            return self.zone_ids[index] if index < len(self.zone_ids) else None
        return self.zone_ids[0]


class Image(Model):
    """The container image that the job definitions run."""

    digest: Digest | None = None
    """`sha256:...` of an image in the environment's repository. Default: no image has been pushed yet, and
    jobs are refused until one is. The context value `-c image_digest=sha256:...` takes precedence."""


class Logs(Model):
    """The log group of all jobs."""

    retention_days: RetentionDays = 90
    """Days after which log events are deleted."""
    group: Literal["/aws/batch/job"] | None = None
    """`/aws/batch/job`: AWS Batch's default log group, which clients such as Luigi read. It must not exist in the
    account yet, and only one environment of a Region can have it. Choose it before the first deployment, since a change
    replaces the log group. Default: a generated name."""


class Data(Model):
    """The data bucket."""

    noncurrent_days: int = Field(default=30, ge=1, le=3650)
    """Days after which an overwritten or deleted version of an object is deleted permanently."""
    access_log_days: int = Field(default=90, ge=1, le=3650)
    """Days after which access logs of the bucket are deleted."""
    abort_multipart_days: int = Field(default=7, ge=1, le=365)
    """Days after which the parts of an unfinished multipart upload are deleted."""


class FileSystem(Model):
    """A shared file system (Amazon EFS), mounted in all jobs at /shared, with the path in HPC_SHARED. Each project has
    a separate folder, whatever the containers' users are. Storage, reads and writes are charged; `{}` takes the
    defaults."""

    infrequent_access_days: InfrequentAccessDays | None = 30
    """Days without access after which a file moves to the Infrequent Access storage class; the next read moves it back.
    `null`: never."""
    backup: bool = True
    """Daily backups with AWS Backup, kept for five weeks."""


class Operations(Model):
    """Monitoring of an environment: notices, alarms, dashboard, job history and budget."""

    emails: Annotated[tuple[Email, ...], AfterValidator(distinct)] = Field(default=(), max_length=50, strict=False)
    """Addresses that get notices of failed jobs, blocked queues, alarms and the budget; each must confirm the
    subscription in a message from SNS. Default: none; notices are still published to the topic, to which others can
    subscribe."""
    history_retention_days: RetentionDays = 365
    """Days after which the job history is deleted."""
    alarm_failed_jobs: int = Field(default=50, ge=1, le=1_000_000)
    """Number of failed jobs of a queue within an hour that raises an alarm; each child of an array job counts."""
    alarm_wait_minutes: int = Field(default=240, ge=1, le=1440)
    """Minutes that a job of a queue may wait for an instance before an alarm is raised."""
    dashboard: bool = True
    """Create a CloudWatch dashboard."""
    budget_monthly_usd: int | None = Field(default=None, ge=1, le=100_000_000)
    """Monthly budget for everything with this environment's hpc:environment tag, which must be activated as a cost
    allocation tag in the billing console. Default: no budget."""
    budget_alert_percents: Annotated[tuple[Percent, ...], AfterValidator(distinct)] = Field(
        default=(80, 100), min_length=1, max_length=4, strict=False
    )
    """Percentages of the budget at which a notice is sent; another one is sent when the forecast exceeds the budget."""
