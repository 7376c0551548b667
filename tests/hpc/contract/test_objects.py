from __future__ import annotations

import json
import subprocess
import sys

import pytest

from hpc.aws.environment import Environment
from hpc.contract import objects
from hpc.contract.s3_keys import RunPaths


def test_every_published_object_is_read_back_as_it_was_written(environment: Environment) -> None:
    items = [
        environment.meta,
        *environment.queues.values(),
        *environment.definitions.values(),
        *environment.projects.values(),
    ]
    for item in items:
        assert objects.from_json(type(item), json.dumps(objects.to_json(item))) == item


def test_keys_of_a_higher_minor_version_are_ignored(environment: Environment) -> None:
    text = json.dumps(objects.to_json(environment.meta) | {"colour": "blue"})
    assert objects.from_json(objects.Meta, text) == environment.meta


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ValueError, match=r"project of the contract: .*name"):
        objects.from_json(objects.Project, "{}")


def test_every_object_of_a_run_lies_below_its_projects_prefix() -> None:
    paths = RunPaths(project="p", run_id="r")
    keys = [
        paths.request, paths.tasks, paths.output(3), paths.status(3), paths.lease(0, 3),
        paths.rendezvous(0, 1),
    ]  # fmt: skip
    assert all(key.startswith("p/runs/r/") for key in keys)
    assert len(set(keys)) == len(keys)


def test_the_contract_needs_the_standard_library_alone() -> None:
    code = (
        "import sys, hpc.contract; print([m for m in sys.modules if m.split('.')[0] in ('boto3','botocore','click')])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_largest_multi_node_job_takes_whole_instances(environment: Environment) -> None:
    assert environment.queues["tightly-coupled"].max_nodes == 4
