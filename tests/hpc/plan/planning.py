"""Helpers of the planner's tests."""

from __future__ import annotations

from typing import Any

import pytest

from hpc.aws.environment import Environment
from hpc.errors import BadInput
from hpc.plan.plan import plan
from hpc.request.job_spec import JobSpec

RUN_ID = "20261122-173355-k3v9qz"


def spec(*command: str, **options: Any) -> JobSpec:
    return JobSpec(command=command or ("true",), **options)


def complaints(wanted: JobSpec, environment: Environment) -> list[str]:
    with pytest.raises(BadInput) as caught:
        plan(wanted, environment, RUN_ID)
    return caught.value.complaints
