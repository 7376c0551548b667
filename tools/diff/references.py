"""Who refers to whom, inside a stack and through its exports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tools.diff.model import Key, Path
from tools.synthesis import Stacks, Template

REF = "Ref"
_IN_SUB = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.([A-Za-z0-9.]+))?\}")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """An attribute of a resource at a place in a template."""

    path: Path
    target: Key
    attribute: str


@dataclass(frozen=True, kw_only=True)
class Export:
    """A value that a stack hands to others."""

    stack: str
    value: Any


def exports(stacks: Stacks) -> dict[str, Export]:
    """Return all exports by name. CDK's are literal: the name of the stack is part of them."""
    return {
        output["Export"]["Name"]: Export(stack=stack, value=output["Value"])
        for stack, template in stacks.items()
        for output in template.get("Outputs", {}).values()
        if isinstance(output.get("Export", {}).get("Name"), str)
    }


def imports(template: Template) -> set[str]:
    """Return the names of the exports that a stack takes."""
    return {name for _, function, name in _intrinsics(template) if function == "Fn::ImportValue"}


def references(stack: str, value: Any, exported: dict[str, Export]) -> Iterator[Reference]:
    """Yield what a value refers to; an import refers to what the export does."""
    for path, function, content in _intrinsics(value):
        if function == "Fn::ImportValue" and content in exported:
            export = exported[content]
            for item in references(export.stack, export.value, {}):
                yield Reference(path=path, target=item.target, attribute=item.attribute)
        elif function == REF:
            yield Reference(path=path, target=(stack, content), attribute=REF)
        elif function == "Fn::GetAtt":
            target, attribute = content.split(".", 1) if isinstance(content, str) else content
            yield Reference(path=path, target=(stack, target), attribute=str(attribute))
        elif function == "Fn::Sub":
            template = content if isinstance(content, str) else content[0]
            for target, attribute in _IN_SUB.findall(template):
                yield Reference(path=path, target=(stack, target), attribute=attribute or REF)


def _intrinsics(value: Any, path: Path = (), inside: bool = False) -> Iterator[tuple[Path, str, Any]]:
    """Yield every function that names something; the path ends at the property that holds it."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _intrinsics(item, path if inside else (*path, f"[{index}]"), inside)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in {REF, "Fn::GetAtt", "Fn::Sub", "Fn::ImportValue"} and len(value) == 1:
                yield path, key, item
            within = inside or key.startswith("Fn::")
            yield from _intrinsics(item, path if within else (*path, key), within)
