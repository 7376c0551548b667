"""An environment as the stacks publish it, as a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpc.aws.environment import Environment
from hpc.contract import objects
from hpc.contract.version import VERSION
from hpc.request.tasks_file import TasksFile


def queue(name: str, **changes: object) -> objects.Queue:
    values: dict[str, object] = {
        "name": name,
        "arn": f"arn:aws:batch:us-east-1:123456789012:job-queue/{name}",
        "kind": "single",
        "definition": "task",
        "shapes": (
            objects.Shape(instance_type="c6i.32xlarge", vcpus=128, memory_mib=241_172),
            objects.Shape(instance_type="r6i.16xlarge", vcpus=64, memory_mib=482_344),
        ),
        "max_vcpus": 256,
        "spot": True,
        "efa_interfaces": 0,
        "fair_share": False,
    }
    return objects.Queue(**(values | changes))  # type: ignore[arg-type]


def definition(name: str, **changes: object) -> objects.Definition:
    values: dict[str, object] = {
        "name": name,
        "project": "default",
        "arn": f"arn:aws:batch:us-east-1:123456789012:job-definition/hpc-dev-default-{name}:3",
        "kind": "single",
        "vcpus": 1,
        "memory_mib": 2048,
        "gpus": 0,
        "timeout_s": 3600,
        "attempts": 3,
    }
    return objects.Definition(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def environment() -> Environment:
    shape = objects.Shape(instance_type="c5n.18xlarge", vcpus=72, memory_mib=180_879)
    queues = [
        queue("loosely-coupled"),
        queue("on-demand", spot=False),
        queue(
            "tightly-coupled",
            kind="multi-node",
            definition="mpi",
            shapes=(shape,),
            max_vcpus=288,
            spot=False,
            efa_interfaces=1,
        ),
        queue("shared", fair_share=True),
    ]
    definitions = [
        definition("task"),
        definition("task", project="climate"),
        definition("mpi", kind="multi-node", vcpus=72, memory_mib=180_879, efa_interfaces=1),
    ]
    return Environment(
        meta=objects.Meta(
            version=VERSION,
            environment="dev",
            bucket="data",
            log_group="hpc-dev",
            repository="123456789012.dkr.ecr.us-east-1.amazonaws.com/hpc",
            image="123456789012.dkr.ecr.us-east-1.amazonaws.com/hpc@sha256:0",
            default_project="default",
        ),
        queues={item.name: item for item in queues},
        projects={
            "default": objects.Project(name="default", read_buckets=("public-data",)),
            "climate": objects.Project(name="climate", share_identifier="climate"),
        },
        definitions={(item.project, item.name): item for item in definitions},
    )


@pytest.fixture
def tasks(tmp_path: Path) -> TasksFile:
    path = tmp_path / "sweep.csv"
    path.write_text("alpha,beta\n1,x\n2,y\n3,z\n")
    return TasksFile(path)
