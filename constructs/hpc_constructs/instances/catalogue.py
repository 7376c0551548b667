"""Properties of EC2 instance types, from the data file next to this module."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from hpc.contract.objects import Shape

DATA = Path(__file__).with_name("instance_types.csv")
COLUMNS = (
    "instance_type",
    "architecture",
    "vcpus",
    "memory_mib",
    "gpus",
    "spot",
    "efa_interfaces",
    "enis_per_card",
    "efa_cards",
    "zone_ids",
    "instance_store_gb",
)

Architecture = Literal["x86_64", "arm64"]

CLASSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "optimal": ("m6i", "c6i", "r6i", "c7i"),
        "default_x86_64": ("m6i", "c6i", "r6i", "c7i"),
        "default_arm64": ("m6g", "c6g", "r6g", "c7g"),
    }
)
"""Batch's names for sets of families
(https://docs.aws.amazon.com/batch/latest/userguide/instance-type-compute-table.html)."""

MEMORY_SHARE = 0.92
"""Share of a type's memory that jobs may request; the operating system and the ECS agent use the rest
(https://docs.aws.amazon.com/batch/latest/userguide/memory-management.html)."""


@dataclass(frozen=True, kw_only=True)
class InstanceType:
    """One EC2 instance type."""

    name: str
    architecture: Architecture
    vcpus: int
    memory_mib: int
    """Nominal memory."""
    gpus: int
    """NVIDIA GPUs; Batch schedules no others."""
    spot: bool
    """True if EC2 offers the type as Spot."""
    efa_interfaces: int
    """Maximum number of EFA interfaces; 0 without EFA."""
    enis_per_card: tuple[int, ...]
    """Maximum number of network interfaces on each network card."""
    efa_cards: tuple[int, ...]
    """Indices of the network cards that support EFA."""
    zone_ids: tuple[str, ...]
    """The only zones that offer the type, for types that few zones offer; otherwise empty."""

    instance_store_gb: int
    """Total size of the NVMe instance store volumes; 0 without."""

    @property
    def family(self) -> str:
        return self.name.partition(".")[0]

    @property
    def bare_metal(self) -> bool:
        return ".metal" in self.name

    @property
    def usable_memory_mib(self) -> int:
        """Memory that jobs may request."""
        return int(self.memory_mib * MEMORY_SHARE)


class UnknownInstanceTypeError(Exception):
    """Raised for a name that is no instance type, family or class that Batch can launch."""

    def __init__(self, name: str, nearest: tuple[str, ...]) -> None:
        super().__init__(f"unknown instance type '{name}'")
        self.name = name
        self.nearest = nearest


@cache
def catalogue() -> Mapping[str, InstanceType]:
    """All instance types by name."""
    with DATA.open(newline="") as stream:
        types = [_read(line) for line in csv.DictReader(stream)]
    return MappingProxyType({item.name: item for item in types})


@cache
def families() -> Mapping[str, tuple[InstanceType, ...]]:
    """Instance types of each family."""
    members: dict[str, list[InstanceType]] = {}
    for item in catalogue().values():
        members.setdefault(item.family, []).append(item)
    return MappingProxyType({name: tuple(items) for name, items in members.items()})


def _read(line: Mapping[str, str]) -> InstanceType:
    return InstanceType(
        name=line["instance_type"],
        architecture="arm64" if line["architecture"] == "arm64" else "x86_64",
        vcpus=int(line["vcpus"]),
        memory_mib=int(line["memory_mib"]),
        gpus=int(line["gpus"]),
        spot=line["spot"] == "1",
        efa_interfaces=int(line["efa_interfaces"]),
        enis_per_card=tuple(map(int, line["enis_per_card"].split())),
        efa_cards=tuple(map(int, line["efa_cards"].split())),
        zone_ids=tuple(line["zone_ids"].split()),
        instance_store_gb=int(line["instance_store_gb"]),
    )


def expand(name: str) -> tuple[InstanceType, ...]:
    """Return the types of a name in `instance_types`: a type, a family, or one of Batch's classes.

    Raises:
        UnknownInstanceTypeError: it is none of these.
    """
    if name in catalogue():
        return (catalogue()[name],)
    if name in families():
        return families()[name]
    if name in CLASSES:
        return tuple(item for family in CLASSES[name] for item in families()[family])
    raise UnknownInstanceTypeError(name, _nearest(name))


def _nearest(name: str) -> tuple[str, ...]:
    family, dot, size = name.partition(".")
    if dot and family in families():
        return tuple(item.name for item in sorted(families()[family], key=lambda item: item.vcpus))
    same_size = [f"{item}.{size}" for item in ("m7i", "c7i", "r7i") if f"{item}.{size}" in catalogue()]
    if same_size:
        return tuple(same_size)
    known = [*catalogue()] if dot else [*CLASSES, *families()]
    return tuple(difflib.get_close_matches(name, known, n=4))


def expand_all(names: Iterable[str]) -> tuple[InstanceType, ...]:
    """Return the types of all names, each once, in order of first mention."""
    found = {item.name: item for name in names for item in expand(name)}
    return tuple(found.values())


def largest_shapes(types: Iterable[InstanceType]) -> tuple[Shape, ...]:
    """Return the largest shapes: every other fits into one of them. Of equals, a virtual machine comes before bare
    metal."""
    ordered = sorted(
        types, key=lambda item: (-item.vcpus, -item.usable_memory_mib, -item.gpus, item.bare_metal, item.name)
    )
    kept: list[InstanceType] = []
    for item in ordered:
        if not any(_fits(item, larger) for larger in kept):
            kept.append(item)
    return tuple(shape_of(item) for item in kept)


def _fits(small: InstanceType, large: InstanceType) -> bool:
    return (
        small.vcpus <= large.vcpus and small.usable_memory_mib <= large.usable_memory_mib and small.gpus <= large.gpus
    )


def shape_of(item: InstanceType) -> Shape:
    """Return the resources that one job can get on the type."""
    return Shape(instance_type=item.name, vcpus=item.vcpus, memory_mib=item.usable_memory_mib, gpus=item.gpus)
