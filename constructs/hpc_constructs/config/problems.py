"""Problems of a configuration, in the user's terms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Path of a value: `("queues", "on-demand", "priority")`."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing to correct."""

    path: Path
    given: str
    allowed: str
    fix: str
    involves: tuple[Path, ...] = ()
    """Other entries that the problem refers to."""
    rule: str = ""
    """Id in docs/rules.md; empty where the models refuse a key, its type or its pattern."""


@dataclass(frozen=True)
class Located:
    """A problem and its line in the file."""

    file: str
    line: int
    problem: Problem

    def __str__(self) -> str:
        subject = dotted(self.problem.path)
        where = f"{self.file}:{self.line}:" if self.line else f"{self.file}:"
        rule = f"{self.problem.rule} " if self.problem.rule else ""
        return (
            f"{where} {rule}{subject + ': ' if subject else ''}{self.problem.given} given; "
            f"allowed: {self.problem.allowed}; fix: {self.problem.fix}"
        )


class ConfigError(Exception):
    """The configuration cannot be used; `problems` lists all reasons."""

    def __init__(self, problems: Sequence[Located]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def dotted(path: Path) -> str:
    """Format a path: `projects.default.read_buckets[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def show(value: object) -> str:
    """Format a value as YAML, cut to one line."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif value is None:
        text = "nothing"
    elif isinstance(value, dict):
        text = "a mapping"
    elif isinstance(value, list):
        text = "a list"
    else:
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def names(items: Iterable[str]) -> str:
    """Format names on one line."""
    return ", ".join(items)


def ce(name: str, *rest: str | int) -> Path:
    """Return the path of a compute environment, or of a key in it."""
    return ("compute_environments", name, *rest)
