"""Findings of checkers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, order=True)
class Finding:
    """A violated rule."""

    tool: str
    rule: str
    on: str
    """Resource type, or file."""
    where: str
    """`<environment>/<stack>/<logical id>`, or file and line."""
    title: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """The key of the reason, one for all environments."""
        return self.tool, self.rule, self.on


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of one checker for all environments."""

    tool: str
    version: str
    findings: tuple[Finding, ...]
    passed: Mapping[str, int] | None = None
    """Passed checks by environment, if the tool counts them."""
    gate: bool = False
    """True if findings cannot be explained."""


@dataclass(frozen=True)
class Material:
    """Synthesized templates, a folder for each environment."""

    folder: Path
    templates: Mapping[Path, Mapping[str, Any]] = field(repr=False)

    def where(self, path: Path, logical_id: str) -> str:
        return f"{path.parent.name}/{path.name.removesuffix('.template.json')}/{logical_id}"

    def type_of(self, path: Path, logical_id: str) -> str:
        return self.templates[path]["Resources"][logical_id]["Type"]
