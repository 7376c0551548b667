"""The configuration of an environment: YAML file, typed and checked, frozen."""

from hpc_constructs.config.load import available, load, parse
from hpc_constructs.config.models import Environment
from hpc_constructs.config.problems import ConfigError, Problem
from hpc_constructs.config.resources import (
    ComputeEnvironment,
    Definition,
    FairShare,
    JobStateTimeLimits,
    Project,
    Queue,
)
from hpc_constructs.config.settings import Logs, Network

__all__ = [
    "ComputeEnvironment",
    "ConfigError",
    "Definition",
    "Environment",
    "FairShare",
    "JobStateTimeLimits",
    "Logs",
    "Network",
    "Problem",
    "Project",
    "Queue",
    "available",
    "load",
    "parse",
]
