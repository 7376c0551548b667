"""Acknowledgements without finding, which would hide the next one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hpc_constructs.rules.validation_plugin import GUARD_NAME, NAME

METADATA = "aws:cdk:acknowledged-rules"
"""Key of the CDK for acknowledgements in a construct's metadata."""

Acknowledged = tuple[str, str]
"""Path of the construct, and id of the rule."""


def unused(folder: Path) -> set[Acknowledged]:
    """Return the acknowledgements of custom rules without a finding.

    Args:
        folder: output of a synthesis, `cdk.out`.
    """
    return set(_given(folder)) - set(_met(folder))


def _given(folder: Path) -> Iterator[Acknowledged]:
    for file in folder.glob("*.metadata.json"):
        entries: dict[str, list[dict[str, Any]]] = json.loads(file.read_text(encoding="utf-8"))
        for path, items in entries.items():
            for item in items:
                if item["type"] == METADATA:
                    yield from ((path.lstrip("/"), _rule(name)) for name in item["data"] if _rule(name))


def _met(folder: Path) -> Iterator[Acknowledged]:
    report = json.loads((folder / "validation-report.json").read_text(encoding="utf-8"))
    for plugin in report["pluginReports"]:
        for item in plugin.get("suppressedViolations", []):
            yield item["acknowledgedAt"], _rule(item["acknowledgedId"])


def _rule(name: str) -> str:
    """Return the id of the custom rule in an acknowledgement's name; None for other rules."""
    plugin, _, rule = name.partition("::")
    return rule if plugin == NAME or (plugin == GUARD_NAME and rule.startswith("HPC")) else ""
