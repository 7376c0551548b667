"""The configuration of an environment: YAML file, typed and checked, frozen."""

from hpc_constructs.config.load import available, load, parse
from hpc_constructs.config.models import (
    ComputeEnvironment,
    Definition,
    Environment,
    FairShare,
    JobStateTimeLimits,
    Network,
    Project,
    Queue,
)
from hpc_constructs.config.problems import ConfigError, Problem

__all__ = [
    "ComputeEnvironment",
    "ConfigError",
    "Definition",
    "Environment",
    "FairShare",
    "JobStateTimeLimits",
    "Network",
    "Problem",
    "Project",
    "Queue",
    "available",
    "load",
    "parse",
]
