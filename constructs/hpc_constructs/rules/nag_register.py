"""The register of acknowledged findings of cdk-nag, from the data file next to this module."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

FILE = Path(__file__).parent / "acknowledged.toml"


@dataclass(frozen=True, kw_only=True)
class Acknowledgement:
    """A reason, and the findings that it acknowledges."""

    ids: tuple[str, ...]
    """`<pack>::<rule>`, or `<pack>::<rule>[<finding>]` where the rule names its finding; `{...}` matches any text
    without asterisk and slash."""
    paths: tuple[str, ...]
    """Paths of the constructs; `{...}` matches any one part."""
    reason: str
    link: str

    @cached_property
    def _ids(self) -> re.Pattern[str]:
        return _patterns(self.ids, "[^*/]+")

    @cached_property
    def _paths(self) -> re.Pattern[str]:
        return _patterns(self.paths, "[^/]+")

    @property
    def rules(self) -> set[str]:
        """Names of the rules, without pack and finding, since the packs share most of them."""
        return {rule_of(text) for text in self.ids}

    def names(self, finding: str) -> bool:
        """Return whether the entry is about a finding, given by its namespaced id."""
        return self._ids.fullmatch(finding) is not None

    def admits(self, path: str) -> bool:
        """Return whether the entry is about the construct at a path."""
        return self._paths.fullmatch(path) is not None


def rule_of(finding: str) -> str:
    """Return a rule's name: `IAM5` of `AwsSolutions::AwsSolutions-IAM5[Resource::*]`."""
    return finding.partition("[")[0].rpartition("::")[2].rpartition("-")[2]


def _patterns(texts: Iterable[str], placeholder: str) -> re.Pattern[str]:
    """Return a pattern that matches one of the texts, with the placeholder for `{...}`."""
    split = (re.split(r"\{\w+\}", text) for text in texts)
    return re.compile("|".join(placeholder.join(re.escape(part) for part in parts) for parts in split))


@cache
def register_of_acknowledgements() -> tuple[Acknowledgement, ...]:
    """All entries."""
    data = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return tuple(
        Acknowledgement(
            ids=tuple(entry["ids"]), paths=tuple(entry["paths"]), reason=entry["reason"], link=entry["link"]
        )
        for entry in data["acknowledged"]
    )
