"""A local cloud for the whole session, with a network, an image, two queues and definitions to submit."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from localcloud.services.ecr import push
from localcloud.session import LocalCloud

TIME_SCALE = 0.02
"""A timeout of 60 s, the smallest that the service takes, passes in 1.2 s."""
RESOURCES = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}]
LOGS = {"logDriver": "awslogs", "options": {"awslogs-group": "/jobs"}}

_numbers = itertools.count()


def wait_for(condition: Callable[[], Any], timeout_s: float = 20) -> Any:
    """Return the first true value of the condition."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{condition} did not hold within {timeout_s} s"
        time.sleep(0.02)
    return value


@dataclass
class World:
    """The local cloud under test. Names are unique, so that all tests can share one server."""

    cloud: LocalCloud
    image: str = ""
    network: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.batch, self.ec2, self.logs, self.iam = (self.client(name) for name in ("batch", "ec2", "logs", "iam"))

    def client(self, service: str) -> Any:
        return boto3.client(
            service, endpoint_url=self.cloud.url, region_name="us-east-1", aws_access_key_id="test",
            aws_secret_access_key="test",
        )  # fmt: skip

    def set_up(self) -> None:
        vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = self.subnet(vpc, "10.0.0.0/24", NatGatewayId=self.nat_gateway(vpc, "10.0.255.0/24"))
        group = self.ec2.create_security_group(GroupName="jobs", Description="jobs", VpcId=vpc)["GroupId"]
        self.iam.create_instance_profile(InstanceProfileName="instances")
        self.network = {"subnets": [subnet], "securityGroupIds": [group], "vpc": vpc}
        self.logs.create_log_group(logGroupName="/jobs")
        repository = self.client("ecr").create_repository(repositoryName="jobs")["repository"]["repositoryUri"]
        self.image = f"{repository}@{push(self.cloud.url, repository, 'v1', ['/usr/bin/env'])}"
        self.queue("wide", max_vcpus=1000)
        self.define("task")
        self.define_nodes("nodes")

    def subnet(self, vpc: str, block: str, **route: str) -> str:
        """Create a subnet with a separate route table and, if a target is given, a default route."""
        subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock=block)["Subnet"]["SubnetId"]
        table = self.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        self.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        if route:
            self.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **route)
        return subnet

    def internet_gateway(self, vpc: str) -> str:
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        return gateway

    def nat_gateway(self, vpc: str, block: str) -> str:
        public = self.subnet(vpc, block, GatewayId=self.internet_gateway(vpc))
        address = self.ec2.allocate_address(Domain="vpc")["AllocationId"]
        return self.ec2.create_nat_gateway(SubnetId=public, AllocationId=address)["NatGateway"]["NatGatewayId"]

    def unique(self, prefix: str) -> str:
        return f"{prefix}-{next(_numbers)}"

    def compute_resources(self, **changes: Any) -> dict[str, Any]:
        return {
            "type": "EC2", "allocationStrategy": "BEST_FIT_PROGRESSIVE", "maxvCpus": 4, "instanceTypes": ["c6i.large"],
            "instanceRole": "instances", "subnets": self.network["subnets"],
            "securityGroupIds": self.network["securityGroupIds"],
        } | changes  # fmt: skip

    def environment(self, **changes: Any) -> str:
        return self.batch.create_compute_environment(
            computeEnvironmentName=self.unique("ce"), type="MANAGED", computeResources=self.compute_resources(**changes)
        )["computeEnvironmentArn"]

    def queue(self, name: str = "", max_vcpus: int = 4, **changes: Any) -> str:
        name = name or self.unique("queue")
        environment = self.environment(maxvCpus=max_vcpus, **changes)
        order = [{"order": 1, "computeEnvironment": environment}]
        self.batch.create_job_queue(jobQueueName=name, priority=1, computeEnvironmentOrder=order)
        return name

    def container(self, *command: str, **changes: Any) -> dict[str, Any]:
        return {
            "image": self.image, "command": list(command) or ["true"], "resourceRequirements": RESOURCES,
            "logConfiguration": LOGS,
        } | changes  # fmt: skip

    def define(self, name: str = "", *command: str, container: dict[str, Any] | None = None, **more: Any) -> str:
        name = name or self.unique("definition")
        properties = self.container(*command, **(container or {}))
        self.batch.register_job_definition(
            jobDefinitionName=name, type="container", containerProperties=properties, **more
        )
        return name

    def define_nodes(self, name: str = "", *command: str, targets: str = "0:", **more: Any) -> str:
        name = name or self.unique("definition")
        nodes = {
            "numNodes": 2,
            "mainNode": 0,
            "nodeRangeProperties": [{"targetNodes": targets, "container": self.container(*command)}],
        }
        self.batch.register_job_definition(jobDefinitionName=name, type="multinode", nodeProperties=nodes, **more)
        return name

    def submit(self, *command: str, queue: str = "wide", definition: str = "task", **more: Any) -> str:
        if command:
            more.setdefault("containerOverrides", {})["command"] = list(command)
        request = {"jobName": self.unique("job"), "jobQueue": queue, "jobDefinition": definition} | more
        return self.batch.submit_job(**request)["jobId"]

    def submit_nodes(self, nodes: int, script: str, definition: str = "nodes", queue: str = "wide", **more: Any) -> str:
        overrides = {
            "numNodes": nodes,
            "nodePropertyOverrides": [{"targetNodes": "0:", "containerOverrides": {"command": ["sh", "-c", script]}}],
        }
        return self.submit(queue=queue, definition=definition, nodeOverrides=overrides, **more)

    def describe(self, job_id: str) -> dict[str, Any]:
        return self.batch.describe_jobs(jobs=[job_id])["jobs"][0]

    def wait_for_status(self, job_id: str, *statuses: str) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            job = self.describe(job_id)
            return job if job["status"] in statuses else None

        return wait_for(reached)

    def result(self, job_id: str) -> dict[str, Any]:
        return self.wait_for_status(job_id, "SUCCEEDED", "FAILED")

    def run(self, *command: str, **more: Any) -> dict[str, Any]:
        return self.result(self.submit(*command, **more))

    def lines(self, job: dict[str, Any]) -> list[str]:
        found = self.logs.get_log_events(
            logGroupName="/jobs", logStreamName=job["container"]["logStreamName"], startFromHead=True
        )
        return [event["message"] for event in found["events"]]

    def tasks_of_attempt(self, job_id: str, number: int) -> list[dict[str, Any]]:
        """Wait until the attempt runs."""
        return wait_for(lambda: [task for task in self.tasks(job_id) if task["attempt"] == number])

    def tasks(self, job_id: str) -> list[dict[str, Any]]:
        return [task for job in self.cloud.jobs() if job["jobId"] == job_id for task in job["tasks"]]


@pytest.fixture(scope="module")  # a Region has no more than 50 compute environments
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("localcloud")
    with LocalCloud(folder, "--time-scale", str(TIME_SCALE), "--host-slots", "4") as cloud:
        world = World(cloud)
        world.set_up()
        yield world


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A local cloud in which ten minutes are a second."""
    with LocalCloud(tmp_path_factory.mktemp("hasty"), "--time-scale", "0.0017", "--host-slots", "4") as cloud:
        world = World(cloud)
        world.set_up()
        yield world


@pytest.fixture(scope="session")
def world_type() -> type[World]:
    """For tests that start a separate local cloud."""
    return World


@pytest.fixture
def wait() -> Callable[..., Any]:
    return wait_for
