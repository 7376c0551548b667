"""Sizes and limits that follow from a configuration."""

import pytest

from hpc_constructs.config import Environment, parse
from hpc_constructs.config.sizing import (
    efa_interfaces,
    queue_max_vcpus,
    queue_shapes,
    size_of,
    update_timeout_minutes,
)


def config(text: str = "") -> Environment:
    return parse(text, file="x.yaml", name="x")


def test_a_multi_node_definition_fills_the_instance() -> None:
    size = size_of(config(), "mpi")
    assert (size.vcpus, size.memory_mib, size.efa_interfaces) == (72, int(0.92 * 196608), 1)


def test_what_the_definition_says_wins_over_the_instance() -> None:
    size = size_of(config("definitions: {mpi: {vcpus: 36, memory_mib: 1000}}"), "mpi")
    assert (size.vcpus, size.memory_mib) == (36, 1000)


def test_without_efa_there_are_no_devices() -> None:
    assert size_of(config("compute_environments: {efa: {efa: false}}"), "mpi").efa_interfaces == 0


def test_shared_memory_is_a_quarter_of_the_memory() -> None:
    assert size_of(config(), "task").shared_memory_mib == 512


def test_a_queue_has_the_ceiling_of_all_its_environments() -> None:
    environment = config("compute_environments: {spot: {max_vcpus: 1000}}")
    assert queue_max_vcpus(environment, environment.queues["loosely-coupled"]) == 1256


def test_a_queue_shows_its_largest_instances_only() -> None:
    environment = config()
    shapes = queue_shapes(environment, environment.queues["loosely-coupled"])
    assert [(shape.instance_type, shape.vcpus) for shape in shapes] == [("c7i.48xlarge", 192), ("r6i.32xlarge", 128)]


def test_a_queue_has_efa_only_if_all_its_environments_have() -> None:
    environment = config()
    assert efa_interfaces(environment, environment.queues["tightly-coupled"]) == 1
    assert efa_interfaces(environment, environment.queues["loosely-coupled"]) == 0


@pytest.mark.parametrize(("timeout_s", "minutes"), [(60, 1440), (86_401, 1441), (31_536_000, 7200)])
def test_an_update_waits_for_the_longest_job_but_no_longer_than_batch_allows(timeout_s: int, minutes: int) -> None:
    assert update_timeout_minutes(config(f"definitions: {{task: {{timeout_s: {timeout_s}}}}}")) == minutes
