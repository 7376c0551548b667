"""The catalogue of EC2 instance types, for validation and launch templates."""

from hpc_constructs.instances.catalogue import (
    CLASSES,
    InstanceType,
    UnknownInstanceTypeError,
    catalogue,
    expand,
    expand_all,
    families,
    largest_shapes,
    shape_of,
)

__all__ = [
    "CLASSES",
    "InstanceType",
    "UnknownInstanceTypeError",
    "catalogue",
    "expand",
    "expand_all",
    "families",
    "largest_shapes",
    "shape_of",
]
