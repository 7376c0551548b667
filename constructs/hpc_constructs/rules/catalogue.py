"""The catalogue of rules, and of the pitfalls that they cover, from the data files next to this module."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

FOLDER = Path(__file__).parent

Kind = Literal["relation", "hygiene", "configuration"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Severity = Literal["error", "warning"]
"""An error fails the synthesis. A warning is printed: the template works, but at a cost."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule."""

    id: str
    title: str
    cause: str
    """Consequence of a violation, in one line."""
    fix: str
    link: str
    """Page of the AWS documentation."""
    kind: Kind
    severity: Severity = "error"
    python: str = ""
    """Reason why a rule of hygiene is checked in Python instead of Guard."""
    check: str = ""
    """Function of `hpc_constructs.config` that checks a rule of configuration; `models` if the models do."""

    @property
    def guard(self) -> bool:
        """True if Guard checks it."""
        return self.kind == "hygiene" and not self.python


@dataclass(frozen=True, kw_only=True)
class Pitfall:
    """A pitfall of AWS Batch in practice."""

    subject: str
    rules: tuple[str, ...]
    otherwise: str = ""
    """Coverage other than rules."""


def _read(name: str) -> Mapping[str, Any]:
    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))


@cache
def catalogue() -> Mapping[str, Rule]:
    """All rules by id."""
    data = _read("catalogue.toml")
    rules = {
        name: Rule(id=name, **{**fields, "link": data["link"][fields["link"]]}) for name, fields in data["rule"].items()
    }
    return MappingProxyType(rules)


@cache
def pitfalls() -> tuple[Pitfall, ...]:
    """All pitfalls."""
    return tuple(
        Pitfall(subject=entry["subject"], rules=tuple(entry["rules"]), otherwise=entry.get("otherwise", ""))
        for entry in _read("pitfalls.toml")["pitfall"]
    )
