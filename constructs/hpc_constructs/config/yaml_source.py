"""Reader of YAML files that keeps the line of every value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from hpc_constructs.config.problems import Path, Problem, dotted

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_PLAIN: Mapping[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "true": True,
    "True": True,
    "false": False,
    "False": False,
}


@dataclass
class Source:
    """Content of a file."""

    data: dict[str, Any] = field(default_factory=dict[str, Any])
    lines: dict[Path, int] = field(default_factory=dict[Path, int])
    problems: list[Problem] = field(default_factory=list[Problem])

    def line(self, path: Path) -> int:
        """Return the line of the entry, or of the nearest enclosing one; 0 if there is none."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return 0


def read(text: str) -> Source:
    """Read YAML; errors are in `problems` of the result."""
    source = Source()
    # Composing stops before values are constructed: no tag can run code, and every node still has its line.
    yaml = YAML(typ="safe", pure=True)
    try:
        root = cast("Any", yaml).compose(text)
        value = _Reader(source).value(root, ()) if root is not None else None
    except MarkedYAMLError as error:
        details = cast("Any", error)
        mark = details.problem_mark or details.context_mark
        _syntax(source, f"{details.problem or details.context}", mark.line + 1 if mark else 1)
        return source
    except YAMLError as error:
        _syntax(source, str(error).splitlines()[0], 1)
        return source
    except RecursionError:
        _syntax(source, "nesting too deep to read", 1)
        return source
    if isinstance(value, dict):
        source.data = cast("dict[str, Any]", value)
    elif value is not None:
        _syntax(source, f"a {type(value).__name__} at the top", 1)
    return source


def _syntax(source: Source, what: str, line: int) -> None:
    source.lines[()] = line
    source.problems.append(
        Problem(path=(), given=what, allowed="YAML: a mapping of keys to values", fix="correct this line")
    )


class _Reader:
    """Conversion of ruamel's nodes, which are untyped, into values."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.seen: set[int] = set()

    def value(self, node: Any, path: Path) -> Any:
        """Return the node's value, and record its line and problems."""
        self.source.lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in self.seen:
            self._complain(path, "a YAML alias", "values written out", "write the value again instead of '*'")
            return None
        self.seen.add(id(node))
        if node.id == "mapping":
            return self._mapping(node, path)
        if node.id == "sequence":
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: Any, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.id != "scalar":
                self._complain(path, "a key that is not a word", "words as keys", "write a word before ':'")
                continue
            key: str = key_node.value
            line = key_node.start_mark.line + 1
            entry = (*path, key)
            if key in result:
                first = self.source.lines[entry]
                self.source.lines[entry] = line
                self._complain(
                    entry,
                    f"'{key}' a second time, first on line {first}",
                    "each key once",
                    f"remove one of the two '{dotted(entry)}'",
                )
                continue
            self.source.lines[entry] = line
            result[key] = self.value(value_node, entry)
        return result

    def _complain(self, path: Path, given: str, allowed: str, fix: str) -> None:
        self.source.problems.append(Problem(path=path, given=given, allowed=allowed, fix=fix))


def _scalar(node: Any) -> str | int | float | bool | None:
    """Resolve a scalar by YAML 1.2's core rules, without octal, hexadecimal and infinite numbers."""
    text: str = node.value
    if node.style is not None:  # quoted, or a block
        return text
    if text in _PLAIN:
        return _PLAIN[text]
    if _INTEGER.fullmatch(text):
        # 012345678901 is an account id, never a number.
        return text if len(text) > 1 and text.startswith("0") else int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
