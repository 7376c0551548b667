"""Ten edits to `dev` get the verdicts that docs/reading-a-change.md wrote down for them.

Compared exactly is what happens to everything that holds something, and to what jobs run on. The rest of a report, such
as the parameters of the contract, follows from these.
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from ruamel.yaml import YAML

from app import ENVIRONMENTS, build
from hpc_constructs.compute import launch_template
from hpc_constructs.config import Environment, load, parse
from tools.diff.compare import compare
from tools.diff.model import Comparison, Verdict
from tools.diff.properties import show_path
from tools.golden import STATEFUL
from tools.synthesis import ROOT, Stacks

pytestmark = pytest.mark.slow

WATCHED = {*STATEFUL, "AWS::Batch::JobDefinition", "AWS::EC2::LaunchTemplate", "AWS::EC2::PlacementGroup"}
CONTEXT = {"aws:cdk:enable-path-metadata": True}
DIGEST = "sha256:" + "0123456789abcdef" * 4

DEV = load(ENVIRONMENTS, "dev")
FLEETS = [f"ComputeEnvironments/{name}" for name in DEV.compute_environments]
TEMPLATES = [f"{fleet}/LaunchTemplate/Template" for fleet in FLEETS]
DEFINITIONS = [f"Projects/{project}/{name}-definition" for project in DEV.projects for name in DEV.definitions]

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module", autouse=True)
def _without_the_rules() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK_VALIDATION", "false")
        yield


def synthesize(environment: Environment, folder: Path) -> Stacks:
    app = cdk.App(analytics_reporting=False, context=CONTEXT, outdir=str(folder))
    build(app, environment)
    return {stack.stack_name: stack.template for stack in app.synth().stacks}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Stacks:
    return synthesize(DEV, tmp_path_factory.mktemp("base"))


@pytest.fixture
def after_yaml(base: Stacks, tmp_path: Path) -> Callable[[Change], Comparison]:
    """Compare dev with a copy of its YAML after an edit."""

    def edit(change: Change) -> Comparison:
        yaml = YAML()
        data = yaml.load((ENVIRONMENTS / "dev.yaml").read_text())
        change(data)
        stream = io.StringIO()
        yaml.dump(data, stream)
        return compare(base, synthesize(parse(stream.getvalue(), file="dev.yaml", name="dev"), tmp_path))

    return edit


def watched(found: Comparison, verdict: Verdict) -> list[str]:
    """Return the construct paths, without the stack, of the watched resources with a verdict."""
    return sorted(
        item.construct.split("/", 1)[1] for item in found.changes if item.verdict is verdict and item.type in WATCHED
    )


def assert_watched(found: Comparison, expected: dict[Verdict, list[str]]) -> None:
    assert {verdict: watched(found, verdict) for verdict in Verdict if watched(found, verdict)} == {
        verdict: sorted(paths) for verdict, paths in expected.items()
    }
    assert not [item for item in found.changes if item.verdict is Verdict.REPLACED]
    if Verdict.DELETED not in expected:
        assert not [item for item in found.changes if item.verdict is Verdict.DELETED]
        assert not found.refusals


def edited(found: Comparison, path: str) -> set[str]:
    """Return which properties of a resource change."""
    (only,) = [item for item in found.changes if item.construct.endswith(f"/{path}")]
    return {show_path(edit.path) for edit in only.edits}


def effect(found: Comparison, path: str) -> str:
    (only,) = [item for item in found.changes if item.construct.endswith(f"/{path}")]
    return only.effect


def kinds(found: Comparison, verdict: Verdict) -> set[str]:
    return {item.type for item in found.changes if item.verdict is verdict}


def test_instance_type_added(after_yaml: Callable[[Change], Comparison]) -> None:
    found = after_yaml(lambda dev: dev["compute_environments"]["spot"]["instance_types"].append("m7i"))
    assert_watched(found, {Verdict.INFRASTRUCTURE: ["ComputeEnvironments/spot"]})
    assert edited(found, "ComputeEnvironments/spot") == {"ComputeResources.InstanceTypes"}
    assert effect(found, "ComputeEnvironments/spot").startswith("instances are replaced as their jobs end")


def test_max_vcpus_raised(after_yaml: Callable[[Change], Comparison]) -> None:
    found = after_yaml(lambda dev: dev["compute_environments"]["efa"].update(max_vcpus=576))
    assert_watched(found, {Verdict.IN_PLACE: ["ComputeEnvironments/efa"]})
    assert edited(found, "ComputeEnvironments/efa") == {"ComputeResources.MaxvCpus"}
    assert effect(found, "ComputeEnvironments/efa").startswith("scaling only")


def test_user_data(base: Stacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch_template, "ECS_AGENT", launch_template.ECS_AGENT + "echo edited\n")
    found = compare(base, synthesize(DEV, tmp_path))
    assert_watched(found, {Verdict.INFRASTRUCTURE: FLEETS, Verdict.IN_PLACE: TEMPLATES})
    for fleet in FLEETS:
        assert edited(found, fleet) == {
            "ComputeResources.LaunchTemplate.Version",
            "ComputeResources.Tags.hpc:launch-template",
        }


def test_queue_order(after_yaml: Callable[[Change], Comparison]) -> None:
    found = after_yaml(lambda dev: dev["queues"]["loosely-coupled"]["compute_environments"].reverse())
    assert_watched(found, {Verdict.IN_PLACE: ["Queues/loosely-coupled"]})
    assert effect(found, "Queues/loosely-coupled").startswith("jobs stay in it")


def test_cost_tag(after_yaml: Callable[[Change], Comparison]) -> None:
    found = after_yaml(lambda dev: dev.update(tags={"cost-center": "hpc"}))
    assert watched(found, Verdict.INFRASTRUCTURE) == sorted(FLEETS)
    assert {item.verdict for item in found.changes} == {Verdict.INFRASTRUCTURE, Verdict.IN_PLACE}
    assert not kinds(found, Verdict.IN_PLACE) & {"AWS::Batch::JobQueue", "AWS::EC2::PlacementGroup"}
    assert {"AWS::S3::Bucket", "AWS::EC2::VPC"} <= kinds(found, Verdict.IN_PLACE)
    assert not found.refusals


def test_image_digest(after_yaml: Callable[[Change], Comparison]) -> None:
    found = after_yaml(lambda dev: dev.update(image={"digest": DIGEST}))
    assert_watched(found, {Verdict.IN_PLACE: DEFINITIONS})
    assert effect(found, DEFINITIONS[0]).startswith("a new revision for submissions from now on")


def test_log_retention(after_yaml: Callable[[Change], Comparison]) -> None:
    found = after_yaml(lambda dev: dev["logs"].update(retention_days=7))
    assert_watched(found, {Verdict.IN_PLACE: ["Logs/Group"]})
    assert edited(found, "Logs/Group") == {"RetentionInDays"}
    assert len(found.changes) == 1


def test_new_queue(after_yaml: Callable[[Change], Comparison]) -> None:
    found = after_yaml(lambda dev: dev["queues"].update(night={"compute_environments": ["spot"]}))
    assert_watched(found, {Verdict.ADDED: ["Queues/night"]})
    assert "AWS::SSM::Parameter" in kinds(found, Verdict.ADDED)
    assert "AWS::IAM::ManagedPolicy" in kinds(found, Verdict.IN_PLACE)


def test_efa_type_changed(after_yaml: Callable[[Change], Comparison]) -> None:
    found = after_yaml(lambda dev: dev["compute_environments"]["efa"].update(instance_types=["c6in.32xlarge"]))
    template = "ComputeEnvironments/efa/LaunchTemplate/Template"
    definition = "Projects/default/mpi-definition"
    assert_watched(
        found,
        {Verdict.INFRASTRUCTURE: ["ComputeEnvironments/efa"], Verdict.IN_PLACE: [template, definition]},
    )
    assert {"ComputeResources.InstanceTypes", "ComputeResources.LaunchTemplate.Version"} < edited(
        found, "ComputeEnvironments/efa"
    )


def test_zone_removed(after_yaml: Callable[[Change], Comparison]) -> None:
    found = after_yaml(lambda dev: dev["network"].update(zones=1))
    assert_watched(
        found,
        {
            Verdict.DELETED: ["Network/Vpc/PrivateSubnet2/Subnet", "Network/Vpc/PublicSubnet2/Subnet"],
            Verdict.INFRASTRUCTURE: ["ComputeEnvironments/on-demand", "ComputeEnvironments/spot"],
        },
    )
    assert edited(found, "ComputeEnvironments/spot") == {"ComputeResources.Subnets"}
    (refusal,) = found.refusals
    assert refusal.stack == "HpcDevFoundation"
    assert refusal.way_out.startswith("deploy HpcDevCompute first: cdk deploy HpcDevCompute --exclusively")


def test_the_documentation_has_these_ten() -> None:
    text = (ROOT / "docs" / "reading-a-change.md").read_text().split("## Ten edits")[1]
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")][1:]
    documented = {f"test_{row.lower().replace(' ', '_')}" for row in rows}
    assert len(documented) == 10
    assert documented == {name for name in globals() if name.startswith("test_")} - {
        "test_the_documentation_has_these_ten"
    }
