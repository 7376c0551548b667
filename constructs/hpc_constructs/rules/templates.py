"""The templates of an app as one graph: resources, and what their properties refer to, across stacks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

Properties = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Resource:
    """A resource of a template."""

    template: str
    """Path of the template's file."""
    logical_id: str
    content: Mapping[str, Any]

    @property
    def type(self) -> str:
        return self.content["Type"]

    @property
    def properties(self) -> Properties:
        return self.content.get("Properties", {})

    @property
    def depends_on(self) -> tuple[str, ...]:
        return tuple(listed(self.content.get("DependsOn")))


def listed(value: Any) -> list[Any]:
    """Return a list, where CloudFormation and IAM accept an item or a list of items."""
    if value is None:
        return []
    return cast("list[Any]", value) if isinstance(value, list) else [value]


class Templates:
    """All templates of an app."""

    def __init__(self, contents: Mapping[str, Mapping[str, Any]]) -> None:
        """
        Args:
            contents: templates by the path of their file.
        """
        self._contents = contents
        self._resources = {
            (template, logical_id): Resource(template, logical_id, item)
            for template, content in contents.items()
            for logical_id, item in content.get("Resources", {}).items()
        }

    @classmethod
    def read(cls, paths: Iterable[str]) -> Templates:
        """Read the templates' files."""
        return cls({path: json.loads(Path(path).read_text(encoding="utf-8")) for path in paths})

    @cached_property
    def _by_type(self) -> Mapping[str, list[Resource]]:
        found: dict[str, list[Resource]] = {}
        for resource in self._resources.values():
            found.setdefault(resource.type, []).append(resource)
        return found

    @cached_property
    def _exports(self) -> Mapping[str, tuple[str, Any]]:
        """Template and value of each export, by its name."""
        return {
            self.text(output["Export"]["Name"], template): (template, output["Value"])
            for template, content in self._contents.items()
            for output in content.get("Outputs", {}).values()
            if "Export" in output
        }

    def of(self, *types: str) -> list[Resource]:
        """Return the resources of the types."""
        return [resource for kind in types for resource in self._by_type.get(kind, [])]

    def find(self, value: Any, template: str) -> Resource | None:
        """Return the resource that a value in a template refers to; None if it is not in these templates."""
        match value:
            case {"Ref": str(name)}:
                return self._resources.get((template, name))
            case {"Fn::GetAtt": [str(name), *_]}:
                return self._resources.get((template, name))
            case {"Fn::GetAtt": str(path)}:
                return self._resources.get((template, path.partition(".")[0]))
            case {"Fn::ImportValue": name}:
                export = self._exports.get(self.text(name, template))
                return self.find(export[1], export[0]) if export else None
            case str(text):
                return self.named(text)
            case _:
                return None

    def find_all(self, values: Any, template: str) -> list[Resource]:
        """Return the resources that the values refer to, as far as they are in these templates."""
        found = (self.find(value, template) for value in listed(values))
        return [resource for resource in found if resource is not None]

    def text(self, value: Any, template: str) -> str:
        """Format a value as text, in which a reference is `${template|logical id|attribute}`."""
        match value:
            case {"Fn::Join": [str(separator), [*parts]]}:
                result = separator.join(self.text(part, template) for part in parts)
            case {"Fn::Base64": inner}:
                result = self.text(inner, template)
            case str(text) | {"Fn::Sub": str(text)}:
                result = text
            case {"Ref": str(name)}:
                result = f"${{{name}}}" if name.startswith("AWS::") else f"${{{template}|{name}|}}"
            case {"Fn::GetAtt": [str(name), attribute]}:
                result = f"${{{template}|{name}|{attribute}}}"
            case {"Fn::ImportValue": name} if self.text(name, template) in self._exports:
                owner, exported = self._exports[self.text(name, template)]
                result = self.text(exported, owner)
            case _:
                result = json.dumps(value, sort_keys=True)
        return result

    def named(self, text: str) -> Resource | None:
        """Return the resource of a text that `text` returned, if it is a single reference."""
        match = re.fullmatch(r"\$\{([^|{}]+)\|([^|{}]+)\|[^{}]*\}", text)
        return self._resources.get((match[1], match[2])) if match else None
