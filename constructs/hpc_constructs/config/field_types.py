"""Types of single values in a configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Network
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from hpc.contract.objects import ECR_PATTERN
from hpc_constructs.instances import CLASSES, UnknownInstanceTypeError, expand

T = TypeVar("T")


@dataclass(frozen=True)
class Matching:
    """Text that matches a regular expression, and the words for it in messages, documentation and editors."""

    pattern: str
    words: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.custom_error_schema(
            core_schema.str_schema(pattern=self.pattern), custom_error_type="text", custom_error_message=self.words
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "patternErrorMessage": self.words}


NAMES = "a lower-case letter, then at most 30 lower-case letters, digits and hyphens"
Name = Annotated[str, Matching(r"^[a-z][a-z0-9-]{0,30}$", NAMES)]
ZoneId = Annotated[str, Matching(r"^[a-z]{3,4}[0-9]{1,2}-az[0-9]{1,2}$", "a zone id such as use1-az6")]
BucketName = Annotated[str, Matching(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", "a bucket name")]
VpcId = Annotated[str, Matching(r"^vpc-([0-9a-f]{8}|[0-9a-f]{17})$", "a VPC id such as vpc-0123456789abcdef0")]
SubnetId = Annotated[
    str, Matching(r"^subnet-([0-9a-f]{8}|[0-9a-f]{17})$", "a subnet id such as subnet-0123456789abcdef0")
]
ExtraEndpoint = Literal[
    "batch", "ec2", "ec2messages", "elasticfilesystem", "kms", "monitoring", "secretsmanager", "ssm", "ssmmessages",
    "sts",
]  # fmt: skip
"""Services, by the last part of their endpoint's name
(https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html)."""
AmiId = Annotated[str, Matching(r"^ami-([0-9a-f]{8}|[0-9a-f]{17})$", "an AMI id such as ami-0123456789abcdef0")]
ShareIdentifier = Annotated[str, Matching(r"^[A-Za-z0-9]{1,255}$", "letters and digits")]
SharePattern = Annotated[
    str, Matching(r"^[A-Za-z0-9]{1,255}\*?$", "letters and digits, with an asterisk at the end for a prefix")
]
Weight = Annotated[float, Field(ge=0.0001, le=999.9999)]
ImageReference = Annotated[
    str,
    Matching(
        r"^([a-z0-9][a-z0-9.:-]*\.[a-z0-9.:-]+/[a-z0-9][a-z0-9._/-]*@)?sha256:[0-9a-f]{64}$",
        "sha256: and 64 hexadecimal digits, optionally after registry/name@",
    ),
]
ECR_IMAGE = re.compile(ECR_PATTERN)
ContainerPath = Annotated[str, Matching(r"^(/[A-Za-z0-9_.-]+)+$", "an absolute path")]
VariableName = Annotated[str, Matching(r"^[A-Za-z_][A-Za-z0-9_]*$", "a variable's name: letters, digits and _")]
UserName = Annotated[str, Matching(r"^[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)?$", "user or user:group")]
SecretArn = Annotated[
    str,
    Matching(
        r"^arn:[a-z-]+:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:\S+|ssm:[a-z0-9-]+:[0-9]{12}:parameter/\S+)$",
        "the full ARN of a secret of Secrets Manager or of a parameter of Parameter Store",
    ),
]
UlimitName = Literal[
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
]  # fmt: skip
"""https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Ulimit.html"""
MiB = Annotated[int, Field(ge=1, le=100_000_000)]
Ulimit = Annotated[int, Field(ge=-1)]
Script = Annotated[str, Matching(r"\S", "the lines of a script")]
ImageSource = Annotated[
    str,
    Matching(
        r"^[a-z0-9][a-z0-9.:-]*\.[a-z0-9.:-]+(/[a-z0-9][a-z0-9._-]*)+$",
        "registry/name without tag and digest, such as public.ecr.aws/biocontainers",
    ),
]
PolicyReference = Annotated[
    str,
    Matching(
        r"^(arn:aws[a-z-]*:iam::[0-9]{12}:policy/)?[A-Za-z0-9+=,.@_/-]{1,512}$",
        "the name or the ARN of a managed policy",
    ),
]
Qualifier = Annotated[str, Matching(r"^[a-z0-9]{1,10}$", "at most 10 lower-case letters and digits")]
"""Qualifier of the CDK's bootstrap stack (https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-customizing.html)."""
Digest = Annotated[str, Matching(r"^sha256:[0-9a-f]{64}$", "sha256: and 64 hexadecimal digits")]
Email = Annotated[
    str, Matching(r"^[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\"]+$", "an address such as hpc-team@example.com")
]

InfrequentAccessDays = Literal[1, 7, 14, 30, 60, 90, 180, 270, 365]
"""https://docs.aws.amazon.com/efs/latest/ug/API_LifecyclePolicy.html"""

RetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""

AllocationStrategy = Literal["BEST_FIT_PROGRESSIVE", "SPOT_CAPACITY_OPTIMIZED", "SPOT_PRICE_CAPACITY_OPTIMIZED"]
"""Allocation strategies whose compute environments can be updated in place
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
    """Refuse reserved keys: AWS sets those beginning with aws:, the platform sets Name and those beginning with hpc:
    (https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html)."""
    if key.lower().startswith(("aws:", "hpc:")) or key == "Name":
        raise PydanticCustomError("reserved_tag", "reserved")
    return key


TagKey = Annotated[
    str,
    Matching(r"^[A-Za-z0-9 _.:/=+@-]{1,128}$", "at most 128 letters, digits, spaces and _.:/=+@-"),
    AfterValidator(own_tag_key),
]
TagValue = Annotated[
    str,
    Matching(r"^[A-Za-z0-9 _.:/=+@-]{0,256}$", "at most 256 letters, digits, spaces and _.:/=+@-"),
    BeforeValidator(digits),
]


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
    """Base of all models: frozen, refuses unknown keys, and does not read quoted text as a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)
