"""Good templates, and edits that spoil them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import jsii
import pytest

from app import ENVIRONMENTS
from hpc_constructs.config import load
from hpc_constructs.rules.batch_model import Platform
from hpc_constructs.rules.catalogue import catalogue
from hpc_constructs.rules.finding import findings
from hpc_constructs.rules.templates import Templates
from hpc_constructs.rules.validation_plugin import guard_plugin
from tests import workers
from tests.stacks.conftest import synthesize


@dataclass
class Edit:
    """The good templates of an environment, to be changed."""

    contents: dict[str, Any]
    original: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.original = copy.deepcopy(self.contents)

    def resource(self, kind: str, fragment: str = "") -> Any:
        """The first resource of a type with the fragment in its logical id."""
        return next(
            item
            for content in self.contents.values()
            for name, item in content["Resources"].items()
            if item["Type"] == kind and fragment in name
        )

    def properties(self, kind: str, fragment: str = "") -> Any:
        return self.resource(kind, fragment)["Properties"]

    def name_of(self, kind: str, fragment: str = "") -> str:
        wanted = self.resource(kind, fragment)
        return next(
            name for content in self.contents.values() for name, item in content["Resources"].items() if item is wanted
        )

    def environment(self, name: str) -> Any:
        """ComputeResources of a compute environment."""
        return self.properties("AWS::Batch::ComputeEnvironment", f"Environments{name}")["ComputeResources"]

    def launch(self, name: str) -> Any:
        """LaunchTemplateData of a compute environment."""
        return self.properties("AWS::EC2::LaunchTemplate", f"Environments{name}")["LaunchTemplateData"]

    def container(self, name: str) -> Any:
        """Container of a job definition."""
        properties = self.properties("AWS::Batch::JobDefinition", f"{name}definition")
        if "ContainerProperties" in properties:
            return properties["ContainerProperties"]
        return properties["NodeProperties"]["NodeRangeProperties"][0]["Container"]

    def remove(self, kind: str, fragment: str = "") -> None:
        name = self.name_of(kind, fragment)
        for content in self.contents.values():
            content["Resources"].pop(name, None)

    def add(self, name: str, kind: str, neighbour: str, **properties: Any) -> dict[str, str]:
        """Add a resource to the template that has one of the type `neighbour`; return a reference to it."""
        wanted = self.resource(neighbour)
        content = next(one for one in self.contents.values() if wanted in one["Resources"].values())
        content["Resources"][name] = {"Type": kind, "Properties": properties}
        return {"Ref": name}

    @property
    def changed(self) -> dict[str, Any]:
        return {path: content for path, content in self.contents.items() if content != self.original[path]}


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Templates of each environment of the repository, by path."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(ENVIRONMENTS.glob("*.yaml")):
        environment = load(ENVIRONMENTS, path.stem)
        folder = workers.shared(tmp_path_factory) / "templates" / path.stem
        workers.once(folder, lambda folder, environment=environment: synthesize(environment, folder))
        found[path.stem] = {str(one): json.loads(one.read_text()) for one in folder.glob("*.template.json")}
    return found


@pytest.fixture
def edit(good: dict[str, dict[str, Any]]) -> Edit:
    return Edit(copy.deepcopy(good["dev"]))


@jsii.implements(cdk.IPolicyValidationContext)
class GuardContext:
    def __init__(self, app: cdk.App, paths: list[str]) -> None:
        self._app, self._paths = app, paths

    @property
    def app_construct(self) -> Any:
        return self._app

    @property
    def stack_templates(self) -> Any:
        return [cdk.PolicyValidationStack(stack_construct_path="App", template_path=path) for path in self._paths]

    @property
    def template_paths(self) -> list[str]:
        return self._paths

    @property
    def account_id(self) -> None:
        return None

    @property
    def region(self) -> None:
        return None


@pytest.fixture(scope="session")
def guard() -> Callable[[list[str]], list[Any]]:
    """Run the CDK's engine with the custom Guard rules on template files; return their findings."""
    plugin, app = guard_plugin(default_rules=False), cdk.App()

    def run(paths: list[str]) -> list[Any]:
        report = plugin.validate(GuardContext(app, paths))
        return [item for item in report.violations if item.rule_name.startswith("HPC")]

    return run


@pytest.fixture
def found(guard: Callable[[list[str]], list[Any]], tmp_path: Path) -> Callable[[Edit], set[str]]:
    """Run both engines on edited templates; return the ids of the rules that do not hold."""

    def run(edit: Edit) -> set[str]:
        in_python = {item.rule for item in findings(Platform(Templates(edit.contents)))}
        paths: list[str] = []
        for index, content in enumerate(edit.changed.values()):
            path = tmp_path / f"{index}.template.json"
            path.write_text(json.dumps(content))
            paths.append(str(path))
        in_guard = guard(paths)
        for item in in_guard:
            # Where the path of a block is missing, the engine reports that in its own words.
            assert f"{item.rule_name} {catalogue()[item.rule_name].title}" in item.description
        return in_python | {item.rule_name for item in in_guard}

    return run
