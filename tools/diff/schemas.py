"""What CloudFormation replaces: the provider schemas that cfn-lint ships."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import version
from pathlib import Path as FilePath
from typing import Any

import cfnlint
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER, ResourceNotFoundError

from tools.diff.model import Path

REGION = "us-east-1"
"""Where new properties appear first; what replaces is the same everywhere."""


@cache
def schema(kind: str) -> dict[str, Any] | None:
    """Return the provider schema of a resource type, None if cfn-lint has none."""
    try:
        return PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    except ResourceNotFoundError:
        return None


def create_only(kind: str) -> tuple[Path, ...]:
    """Return the properties whose change replaces the resource."""
    return _paths(kind, "createOnlyProperties")


def conditional_create_only(kind: str) -> tuple[Path, ...]:
    """Return the properties whose change may replace the resource."""
    return _paths(kind, "conditionalCreateOnlyProperties")


def deletes_first(kind: str) -> bool:
    """Return whether a replacement deletes the old resource before it makes the new one."""
    return (schema(kind) or {}).get("replacementStrategy") == "delete_then_create"


def source() -> str:
    """Return which schemas these are."""
    stated = FilePath(cfnlint.__file__).parent / "data" / "schemas" / "version.json"
    date = json.loads(stated.read_text())["schema_date"][:10]
    return f"CloudFormation provider schemas of {date} ({REGION}), cfn-lint {version('cfn-lint')}"


def _paths(kind: str, name: str) -> tuple[Path, ...]:
    return tuple(tuple(item.split("/")[2:]) for item in (schema(kind) or {}).get(name, ()))


def touches(changed: Path, old: Any, new: Any, listed: Path) -> bool:
    """Return whether a change at a path is one of the listed property, of a part of it, or of a whole that holds it."""
    shared = min(len(changed), len(listed))
    if not all(_same(a, b) for a, b in zip(changed[:shared], listed[:shared], strict=True)):
        return False
    inner = listed[shared:]
    return not inner or any(_holds(value, inner) for value in (old, new))


def _same(part: str, listed: str) -> bool:
    return part == listed or (listed == "*" and part.startswith("["))


def _holds(value: Any, path: Path) -> bool:
    if not path:
        return True
    if isinstance(value, list):
        return any(_holds(item, path[1:] if path[0] == "*" else path) for item in value)
    return isinstance(value, dict) and path[0] in value and _holds(value[path[0]], path[1:])
