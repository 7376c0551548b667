"""No resource is deleted before those that need it, which a local cloud without delays cannot show."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from app import ENVIRONMENTS
from hpc_constructs.config import load, parse
from tests.stacks.conftest import Stacks, synthesize
from tests.stacks.lifetimes import Assembly, Lifetimes
from tests.stacks.needs import DEFINITION, ENVIRONMENT, FLOW_LOG, NAT, QUEUE, faults

EXISTING = """
network: {vpc_id: vpc-0123456789abcdef0, subnet_ids: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]}
"""


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Stacks:
    return synthesize(load(ENVIRONMENTS, "prod"), tmp_path_factory.mktemp("prod"))


@pytest.fixture(scope="module")
def existing(tmp_path_factory: pytest.TempPathFactory) -> Stacks:
    environment = parse(EXISTING, file="environments/existing.yaml", name="existing")
    return synthesize(environment, tmp_path_factory.mktemp("existing"))


@pytest.mark.parametrize("name", ["dev", "minimal", "prod", "isolated", "wide", "existing"])
def test_what_a_resource_needs_outlives_it(request: pytest.FixtureRequest, name: str) -> None:
    order = Lifetimes(Assembly.read(request.getfixturevalue(name).folder))
    assert order.of(ENVIRONMENT)
    assert faults(order) == []


def independent(kind: str) -> Callable[[Assembly], None]:
    """Take every DependsOn of a type away."""

    def edit(assembly: Assembly) -> None:
        for template in assembly.templates.values():
            for item in template["Resources"].values():
                if item["Type"] == kind:
                    item.pop("DependsOn", None)

    return edit


def without_order(stack: str) -> Callable[[Assembly], None]:
    def edit(assembly: Assembly) -> None:
        (name,) = [item for item in assembly.waits_for if item.endswith(stack)]
        assembly.waits_for[name] = []

    return edit


@pytest.mark.parametrize(
    ("edit", "missing", "needing"),
    [
        (independent(ENVIRONMENT), "InstanceRoleInstancePolicy", "ComputeEnvironmentsspot"),
        (independent(QUEUE), "ProjectsdefaultJobPolicy", "Queuesondemand"),
        (independent(QUEUE), "ExecutionRolePolicy", "Queuestightlycoupled"),
        (independent(DEFINITION), "ProjectsdefaultJobPolicy", "Projectsdefaulttaskdefinition"),
        (independent(DEFINITION), "ExecutionRolePolicy", "Projectsdefaultmpidefinition"),
        (independent(FLOW_LOG), "FlowLogsDeliveryPolicy", "FlowLogs"),
        (independent(NAT), "NetworkVpcPublicSubnet1DefaultRoute", "NetworkVpcPublicSubnet1NATGateway"),
        (without_order("Compute"), "NetworkVpcPrivateSubnet1DefaultRoute", "ComputeEnvironmentsefa"),
        (without_order("Compute"), "NetworkNodesfrom", "ComputeEnvironmentsefa"),
        (without_order("Compute"), "NetworkVpcS3", "ComputeEnvironmentsspot"),
    ],
)  # fmt: skip
def test_the_walk_finds(dev: Stacks, edit: Callable[[Assembly], None], missing: str, needing: str) -> None:
    assembly = deepcopy(Assembly.read(dev.folder))
    edit(assembly)
    found = [line.split(" may be missing while ") for line in faults(Lifetimes(assembly))]
    assert [line for line in found if line[0].startswith(missing) and line[1].startswith(needing)], found


def test_a_reference_holds_across_stacks(dev: Stacks) -> None:
    order = Lifetimes(Assembly.read(dev.folder))
    (environment, *_), foundation = order.of(ENVIRONMENT), "HpcDevFoundation"
    subnets = order.properties(environment)["ComputeResources"]["Subnets"]
    assert {stack for stack, _ in order.referred(subnets, environment[0])} == {foundation}


def test_queues_go_before_their_compute_environments(dev: Stacks) -> None:
    order = Lifetimes(Assembly.read(dev.folder))
    for queue in order.of(QUEUE):
        named: Any = order.properties(queue)["ComputeEnvironmentOrder"]
        used = set(order.referred(named, queue[0]))
        assert used
        assert used <= order.before(queue)
        assert not any(queue in order.before(item) for item in used)
