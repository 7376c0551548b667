"""The steps of docs/how-to.md: short, right, and with the effect that they promise."""

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MINIMAL = (ROOT / "environments" / "minimal.yaml").read_text(encoding="utf-8")
SNIPPETS = dict(
    re.findall(
        r"^## (.+?)\n.*?^```yaml\n(.*?)^```", (ROOT / "docs" / "how-to.md").read_text(encoding="utf-8"), re.M | re.S
    )
)
KEY = "AWS::Batch::ComputeEnvironment"


@pytest.fixture
def after(synthesized: Any) -> Any:
    """Synthesizes the minimal environment with a step."""
    return lambda title: synthesized(MINIMAL + SNIPPETS[title])


def test_the_page_has_a_snippet_for_every_step() -> None:
    titles = re.findall(r"^## (.+)$", (ROOT / "docs" / "how-to.md").read_text(encoding="utf-8"), re.M)
    assert list(SNIPPETS) == titles


@pytest.mark.parametrize("title", SNIPPETS)
def test_a_step_takes_at_most_eight_lines(title: str) -> None:
    assert 1 <= len(SNIPPETS[title].splitlines()) <= 8


def test_a_gpu_queue(after: Any) -> None:
    stacks = after("A queue for GPU jobs")
    resources = stacks.compute_environment("gpu")["ComputeResources"]
    assert resources["Ec2Configuration"] == [{"ImageType": "ECS_AL2023_NVIDIA"}]
    needs = stacks.definition("gpu")["ContainerProperties"]["ResourceRequirements"]
    assert {"Type": "GPU", "Value": "1"} in needs
    assert "gpu" in stacks.published("queues", "gpu")


def test_an_arm_queue(after: Any) -> None:
    stacks = after("A queue for Arm jobs")
    resources = stacks.compute_environment("arm")["ComputeResources"]
    assert (resources["Type"], resources["InstanceTypes"]) == ("SPOT", ["default_arm64"])
    image = stacks.definition("arm")["ContainerProperties"]["Image"]["Fn::Join"][1][-1]
    assert image == "@sha256:" + "0" * 64


def test_an_hpc7a_queue(after: Any) -> None:
    stacks = after("A queue for MPI jobs on hpc7a with EFA")
    interfaces = stacks.launch_template_of("hpc7a")["NetworkInterfaces"]
    assert [item["InterfaceType"] for item in interfaces] == ["efa", "efa"]
    (node_range,) = stacks.definition("mpi-hpc7a")["NodeProperties"]["NodeRangeProperties"]
    assert len(node_range["Container"]["LinuxParameters"]["Devices"]) == 2
    assert "use2-az2" in {item.get("AvailabilityZoneId") for item in stacks.foundation.of("AWS::EC2::Subnet").values()}


def test_a_second_project(after: Any) -> None:
    stacks = after("A second project")
    assert stacks.environment.default_project == "default"
    assert stacks.definition("task", "climate")
    assert any("climate/*" in str(item["Resource"]) for item in stacks.policy("ProjectsclimateJob"))


def test_a_shared_file_system(after: Any) -> None:
    stacks = after("A file system that jobs share")
    assert stacks.foundation.only("AWS::EFS::FileSystem")["Encrypted"] is True
    mounts = stacks.definition("task")["ContainerProperties"]["MountPoints"]
    assert "/shared" in {mount["ContainerPath"] for mount in mounts}


def test_a_team_with_custom_containers(after: Any) -> None:
    stacks = after("A team brings its own container")
    assert [key for key in stacks.foundation.of("AWS::ECR::Repository") if "OwnImagesclimate" in key]
    register, *_ = stacks.policy("ProjectsclimateDeveloper")
    assert register["Action"] == "batch:RegisterJobDefinition"
    assert "DeveloperPolicyclimate" in stacks.compute.raw["Outputs"]


@pytest.mark.parametrize(
    "title", ["Shares instead of first in, first out", "Scratch on the instances' own disks", "New machine images"]
)
def test_the_other_steps_synthesize(after: Any, title: str) -> None:
    assert after(title).compute.of(KEY)
