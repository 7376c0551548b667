"""Templates, synthesized once for all workers."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from app import ENVIRONMENTS, build
from hpc_constructs.config import Environment, load, parse
from tests import workers

ROOT = Path(__file__).parents[2]

DIGEST = "sha256:" + "0123456789abcdef" * 4

WIDE = f"""
region: us-east-2
ami_refresh: 2026-11-22
account: "123456789012"
image: {{digest: '{DIGEST}'}}
network: {{zone_ids: [use2-az2, use2-az1, use2-az3]}}
operations:
  emails: [team@example.com, lead@example.com]
  budget_monthly_usd: 5000
  budget_alert_percents: [50, 90]
file_system: {{infrequent_access_days: null, backup: false}}
projects:
  alpha: {{read_buckets: [reference-genomes], own_images: true, image_sources: [public.ecr.aws/biocontainers]}}
  beta: {{workflow: {{queue: shared, multi_node_queue: hpc7a}}}}
compute_environments:
  gpu: {{instance_types: [g5], scratch: instance-store, scale_down_delay_minutes: 30}}
  arm:
    instance_types: [default_arm64]
    image_id: ami-0123456789abcdef0
    root_volume_gib: 300
    root_volume_iops: 6000
    root_volume_throughput_mib_s: 500
    user_data: [echo our own >> /etc/motd]
  hpc7a: {{instance_types: [hpc7a.96xlarge], max_vcpus: 1920, efa: true}}
  p5: {{instance_types: [p5.48xlarge], max_vcpus: 384, efa: true}}
  plain: {{instance_types: [c6i.32xlarge], max_vcpus: 512}}
queues:
  gpu: {{compute_environments: [gpu], definition: gpu}}
  shared:
    compute_environments: [on-demand]
    fair_share: {{share_decay_s: 86400, compute_reservation: 10, shares: {{alpha: 0.5, "test*": 2}}}}
    job_state_time_limits: {{insufficient_instance_capacity_s: null, ec2_instance_configuration_unsupported_s: 600}}
  arm: {{compute_environments: [arm]}}
  hpc7a: {{kind: multi-node, compute_environments: [hpc7a], definition: mpi-hpc7a}}
  p5: {{kind: multi-node, compute_environments: [p5], definition: mpi-p5}}
  plain: {{kind: multi-node, compute_environments: [plain], definition: mpi-plain}}
definitions:
  gpu: {{vcpus: 4, memory_mib: 12000, gpus: 1}}
  mpi-hpc7a: {{kind: multi-node, ulimits: {{nofile: 65536}}}}
  locked:
    memory_mib: 4096
    image: 210987654321.dkr.ecr.us-east-2.amazonaws.com/team/tool@{DIGEST}
    user: "1000:1000"
    read_only_root: true
    tmpfs: {{/tmp: 512}}
    ulimits: {{nofile: 65536, core: 0}}
    secrets:
      LICENSE: 'arn:aws:secretsmanager:us-east-2:123456789012:secret:license-AbCdEf:key::'
      TOKEN: arn:aws:ssm:us-east-2:123456789012:parameter/team/token
  shell: {{enable_execute_command: true, image: '{DIGEST}'}}
  mpi-p5: {{kind: multi-node, gpus: 8, timeout_s: 600000}}
  mpi-plain: {{kind: multi-node}}
"""
"""An environment with features that those of the repository do not use."""


@dataclass
class Template:
    """A synthesized template, with look-ups."""

    path: Path

    @cached_property
    def raw(self) -> dict[str, Any]:
        return json.loads(self.path.read_text())

    @property
    def resources(self) -> dict[str, Any]:
        return self.raw["Resources"]

    def of(self, kind: str) -> dict[str, Any]:
        """Properties of all resources of a type, by logical id."""
        return {key: item.get("Properties", {}) for key, item in self.resources.items() if item["Type"] == kind}

    def only(self, kind: str) -> dict[str, Any]:
        """Properties of the only resource of a type."""
        (properties,) = self.of(kind).values()
        return properties


@dataclass
class Stacks:
    """The templates of one environment."""

    environment: Environment
    folder: Path

    @cached_property
    def foundation(self) -> Template:
        return Template(next(self.folder.glob("*Foundation.template.json")))

    @cached_property
    def compute(self) -> Template:
        return Template(next(self.folder.glob("*Compute.template.json")))

    @cached_property
    def operations(self) -> Template:
        return Template(next(self.folder.glob("*Operations.template.json")))

    @property
    def templates(self) -> list[Template]:
        return [self.foundation, self.compute, self.operations]

    def compute_environment(self, name: str) -> dict[str, Any]:
        """Properties of a compute environment, by its name in the configuration."""
        return self._tagged("AWS::Batch::ComputeEnvironment", name, lambda item: item["ComputeResources"]["Tags"])

    def _tagged(self, kind: str, name: str, tags: Any) -> dict[str, Any]:
        wanted = f"hpc-{self.environment.name}-{name}"
        (found,) = [item for item in self.compute.of(kind).values() if tags(item)["Name"] == wanted]
        return found

    def launch_template_of(self, name: str) -> dict[str, Any]:
        """LaunchTemplateData of a compute environment."""
        reference = self.compute_environment(name)["ComputeResources"]["LaunchTemplate"]["LaunchTemplateId"]["Ref"]
        return self.compute.resources[reference]["Properties"]["LaunchTemplateData"]

    def definition(self, name: str, project: str = "default") -> dict[str, Any]:
        """Properties of a job definition."""
        wanted = f"hpc-{self.environment.name}-{project}-{name}"
        found = self.compute.of("AWS::Batch::JobDefinition").values()
        (properties,) = [item for item in found if item["JobDefinitionName"] == wanted]
        return properties

    def published(self, *parts: str) -> str:
        """Text of a parameter of the contract, with references in ${...}."""
        wanted = "/".join(("/hpc", self.environment.name, *parts))
        (value,) = [item["Value"] for item in self.compute.of("AWS::SSM::Parameter").values() if item["Name"] == wanted]
        return text(value)

    def policy(self, logical_id: str) -> list[dict[str, Any]]:
        """Statements of the managed policy whose logical id has the prefix."""
        found = self.compute.of("AWS::IAM::ManagedPolicy")
        (properties,) = [item for key, item in found.items() if key.startswith(logical_id)]
        return properties["PolicyDocument"]["Statement"]


def text(value: Any) -> str:
    """Write a value as one text: references become `${LogicalId.Attribute}`."""
    match value:
        case str():
            return value
        case {"Fn::Join": [separator, parts]}:
            return separator.join(text(part) for part in parts)
        case {"Ref": name}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"${{{name}.{attribute}}}"
        case {"Fn::ImportValue": name}:
            return f"${{{name}}}"
    raise AssertionError(f"no text: {value}")


def synthesize(environment: Environment, folder: Path) -> Stacks:
    """Synthesize as `cdk synth` does, into the folder."""
    app = cdk.App(outdir=str(folder), analytics_reporting=False)
    build(app, environment)
    app.synth()
    return Stacks(environment, folder)


@pytest.fixture(scope="session", autouse=True)
def _fast_synthesis() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK_VALIDATION", "false")
        yield


@pytest.fixture(scope="session")
def share(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Environment], Stacks]:
    """Synthesizes what other workers of this run need as well."""

    def share(environment: Environment) -> Stacks:
        folder = workers.shared(tmp_path_factory) / "templates" / environment.name
        return Stacks(environment, workers.once(folder, lambda folder: synthesize(environment, folder)))

    return share


@pytest.fixture(scope="session")
def dev(share: Callable[[Environment], Stacks]) -> Stacks:
    return share(load(ENVIRONMENTS, "dev"))


@pytest.fixture(scope="session")
def minimal(share: Callable[[Environment], Stacks]) -> Stacks:
    return share(load(ENVIRONMENTS, "minimal"))


@pytest.fixture(scope="session")
def wide(share: Callable[[Environment], Stacks]) -> Stacks:
    return share(parse(WIDE, file="environments/wide.yaml", name="wide"))


@pytest.fixture(scope="session")
def isolated(share: Callable[[Environment], Stacks]) -> Stacks:
    return share(load(ENVIRONMENTS, "isolated"))


@pytest.fixture
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Stacks]:
    """Return a function that synthesizes the environment of a YAML text."""

    def synthesized(text: str) -> Stacks:
        return synthesize(parse(text, file="environments/x.yaml", name="x"), tmp_path_factory.mktemp("x"))

    return synthesized


@pytest.fixture(scope="session", params=["dev", "minimal", "isolated", "wide"])
def stacks(request: pytest.FixtureRequest) -> Stacks:
    """Each of the environments, for properties of all of them."""
    return request.getfixturevalue(request.param)
