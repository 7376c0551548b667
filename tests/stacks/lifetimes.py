"""Order in which CloudFormation and `cdk deploy --all` create resources, and delete them in reverse.

Within a stack the order follows from Ref, GetAtt, Sub and DependsOn; between stacks from the cloud assembly, whose
dependencies the CDK CLI keeps to, backwards when it destroys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

Key = tuple[str, str]
"""Stack and logical id."""


@dataclass
class Assembly:
    """The templates of an app by stack, and which stacks each of them waits for."""

    templates: dict[str, dict[str, Any]]
    waits_for: dict[str, list[str]]

    @classmethod
    def read(cls, folder: Path) -> Assembly:
        artifacts = json.loads((folder / "manifest.json").read_text())["artifacts"]
        stacks = {name: item for name, item in artifacts.items() if item["type"] == "aws:cloudformation:stack"}
        return cls(
            {name: json.loads((folder / item["properties"]["templateFile"]).read_text())
             for name, item in stacks.items()},
            {name: [other for other in item.get("dependencies", []) if other in stacks]
             for name, item in stacks.items()},
        )  # fmt: skip


class Lifetimes:
    """The order of all resources of an app."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self.resources: dict[Key, Mapping[str, Any]] = {
            (stack, name): item
            for stack, template in assembly.templates.items()
            for name, item in template["Resources"].items()
        }
        self._before: dict[Key, frozenset[Key]] = {}

    @cached_property
    def _exports(self) -> dict[str, tuple[str, Any]]:
        return {
            output["Export"]["Name"]: (stack, output["Value"])
            for stack, template in self._assembly.templates.items()
            for output in template.get("Outputs", {}).values()
            if "Export" in output
        }

    def of(self, *kinds: str) -> list[Key]:
        """Return the resources of the types."""
        return [key for key, item in self.resources.items() if item["Type"] in kinds]

    def properties(self, key: Key) -> Any:
        return self.resources[key].get("Properties", {})

    def referred(self, value: Any, stack: str) -> Iterator[Key]:
        """Yield the resources that a value in a template refers to, through exports too."""
        match value:
            case {"Ref": str(name)}:
                names = [name]
            case {"Fn::GetAtt": [str(name), *_]}:
                names = [name]
            case {"Fn::GetAtt": str(path)}:
                names = [path.partition(".")[0]]
            case {"Fn::ImportValue": str(export)}:
                owner, exported = self._exports[export]
                yield from self.referred(exported, owner)
                return
            case {"Fn::Sub": text}:
                parts = text if isinstance(text, list) else [text]
                names = re.findall(r"\$\{([^!.}]+)", parts[0])
                yield from self.referred(parts[1:], stack)
            case dict():
                for item in value.values():
                    yield from self.referred(item, stack)
                return
            case list():
                for item in value:
                    yield from self.referred(item, stack)
                return
            case _:
                return
        yield from ((stack, name) for name in names if (stack, name) in self.resources)

    def _direct(self, key: Key) -> set[Key]:
        stack, item = key[0], self.resources[key]
        named = item.get("DependsOn", [])
        names = [named] if isinstance(named, str) else named
        whole = {other for other in self.resources if other[0] in self._assembly.waits_for[stack]}
        return {(stack, name) for name in names} | set(self.referred(item.get("Properties", {}), stack)) | whole

    def before(self, key: Key) -> frozenset[Key]:
        """Return all that is complete before a resource is begun, and exists until it is deleted."""
        if key not in self._before:
            self._before[key] = frozenset()  # CloudFormation refuses circles
            direct = self._direct(key)
            self._before[key] = frozenset(direct.union(*(self.before(other) for other in direct)))
        return self._before[key]
