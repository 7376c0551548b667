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
    """Where instances stand: a VPC of the environment's own, or an existing one, whose owner has seen to everything in
    docs/existing-vpc.md."""

    cidr: Annotated[str, AfterValidator(vpc_cidr)] = "10.0.0.0/16"
    """Private IPv4 block, /16 to /20. Subnets are laid out for four zones, so that zones can be added later."""
    zones: int = Field(default=2, ge=1, le=4)
    """Number of availability zones; the first holds the EFA subnet and the NAT gateway."""
    zone_ids: Annotated[tuple[ZoneId, ...], AfterValidator(distinct)] | None = Field(
        default=None, min_length=1, max_length=6, strict=False
    )
    """Zones by id, which is the same in every account, such as use1-az6: required for instance types that few
    zones offer. At most four; the first holds the EFA subnet and the NAT gateway. Default: the first zones of the
    region. In an existing VPC: the zones of `subnet_ids`, in their order."""
    egress: Literal["nat", "endpoints"] = "nat"
    """How private subnets reach AWS. `nat`: through one NAT gateway. `endpoints`: through interface endpoints alone;
    there is no way to the internet and none from it. S3 is reached through a gateway endpoint in both cases."""
    extra_endpoints: Annotated[tuple[ExtraEndpoint, ...], AfterValidator(distinct)] = Field(default=(), strict=False)
    """With `egress: endpoints`: services that jobs call besides S3 and CloudWatch Logs; each costs as much an hour as
    another endpoint in every zone."""
    flow_logs: bool = True
    """Whether the VPC's traffic is recorded in CloudWatch Logs."""
    flow_logs_retention_days: RetentionDays = 90
    """Days after which flow logs are deleted."""
    vpc_id: VpcId | None = None
    """An existing VPC. Then `subnet_ids` is required, and the keys above, `zone_ids` apart, are its owner's.
    Default: the environment makes a VPC of its own."""
    subnet_ids: Annotated[tuple[SubnetId, ...], AfterValidator(distinct)] | None = Field(
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
    group: Literal["/aws/batch/job"] | None = None
    """`/aws/batch/job`: the name that AWS Batch gives its own group, which clients such as Luigi read; there must not
    be such a group in the account yet, and one environment of a Region can have it. To be chosen before the first
    deployment: it replaces the group. Default: a generated name."""


class Data(Model):
    """The data bucket."""

    noncurrent_days: int = Field(default=30, ge=1, le=3650)
    """Days after which an overwritten or deleted version of an object is removed for good."""
    access_log_days: int = Field(default=90, ge=1, le=3650)
    """Days after which the log of accesses to the bucket is deleted."""
    abort_multipart_days: int = Field(default=7, ge=1, le=365)
    """Days after which the parts of an upload that was never finished are removed."""


class FileSystem(Model):
    """A shared file system (Amazon EFS) that all jobs see at /shared and find named in HPC_SHARED: each project its own
    folder of it, whoever the containers' users are. It costs by what it holds and what is read and written; `{}` takes
    the defaults."""

    infrequent_access_days: InfrequentAccessDays | None = 30
    """Days after which a file that nobody reads moves to the Infrequent Access storage class; the next read moves it
    back. `null`: never."""
    backup: bool = True
    """Whether AWS Backup copies it every day, and keeps each copy for five weeks."""


class Operations(Model):
    """What watches an environment: notices, alarms, the dashboard, the history of jobs, the budget."""

    emails: Annotated[tuple[Email, ...], AfterValidator(distinct)] = Field(default=(), max_length=50, strict=False)
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
    budget_alert_percents: Annotated[tuple[Percent, ...], AfterValidator(distinct)] = Field(
        default=(80, 100), min_length=1, max_length=4, strict=False
    )
    """Parts of the budget at which a notice is sent; one more is sent when the forecast exceeds it."""
