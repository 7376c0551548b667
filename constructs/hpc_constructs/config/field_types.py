"""What single values of a configuration may be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from ipaddress import IPv4Network
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from hpc.contract.objects import ECR_PATTERN
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
ECR_IMAGE = re.compile(ECR_PATTERN)
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
IMAGE_SOURCE_PATTERN = r"^[a-z0-9][a-z0-9.:-]*\.[a-z0-9.:-]+(/[a-z0-9][a-z0-9._-]*)+$"
ImageSource = Annotated[str, StringConstraints(pattern=IMAGE_SOURCE_PATTERN)]
BOUNDARY_PATTERN = r"^(arn:aws[a-z-]*:iam::[0-9]{12}:policy/)?[A-Za-z0-9+=,.@_/-]{1,512}$"
PolicyReference = Annotated[str, StringConstraints(pattern=BOUNDARY_PATTERN)]
QUALIFIER_PATTERN = r"^[a-z0-9]{1,10}$"
Qualifier = Annotated[str, StringConstraints(pattern=QUALIFIER_PATTERN)]
"""Of the CDK's bootstrap stack (https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-customizing.html)."""
TAG_KEY_PATTERN = r"^[A-Za-z0-9 _.:/=+@-]{1,128}$"
TAG_VALUE_PATTERN = r"^[A-Za-z0-9 _.:/=+@-]{0,256}$"
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\"]+$")]

InfrequentAccessDays = Literal[1, 7, 14, 30, 60, 90, 180, 270, 365]
"""https://docs.aws.amazon.com/efs/latest/ug/API_LifecyclePolicy.html"""

RetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""

AllocationStrategy = Literal["BEST_FIT_PROGRESSIVE", "SPOT_CAPACITY_OPTIMIZED", "SPOT_PRICE_CAPACITY_OPTIMIZED"]
"""The strategies whose compute environments can be updated in place
(https://docs.aws.amazon.com/batch/latest/userguide/infrastructure-updates.html)."""

STRATEGIES: tuple[str, ...] = get_args(AllocationStrategy)


def instance_type_name(name: str) -> str:
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


def digits(value: object) -> object:
    return str(value) if type(value) is int else value


def vpc_cidr(text: str) -> str:
    try:
        network = IPv4Network(text)
    except ValueError:
        network = None
    if network is None or not 16 <= network.prefixlen <= 20 or not network.is_private:
        raise PydanticCustomError("vpc_cidr", "not a private IPv4 block of /16 to /20")
    return text


def own_tag_key(key: str) -> str:
    """Keys beginning with aws: are AWS's, those with hpc: and Name are the platform's
    (https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html)."""
    if key.lower().startswith(("aws:", "hpc:")) or key == "Name":
        raise PydanticCustomError("reserved_tag", "reserved")
    return key


TagKey = Annotated[str, StringConstraints(pattern=TAG_KEY_PATTERN), AfterValidator(own_tag_key)]
TagValue = Annotated[str, BeforeValidator(digits), StringConstraints(pattern=TAG_VALUE_PATTERN)]


def iso_date(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise PydanticCustomError("date", "not a date") from None
    return text


def distinct(items: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(items)) != len(items):
        raise PydanticCustomError("distinct", "an entry is listed twice")
    return items


def frozen(items: Mapping[str, T]) -> Mapping[str, T]:
    return MappingProxyType(dict(items))


Percent = Annotated[int, Field(ge=1, le=1000)]
InstanceTypeName = Annotated[str, AfterValidator(instance_type_name)]


class Model(BaseModel):
    """Frozen; knows its keys; a number in quotes is no number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)
