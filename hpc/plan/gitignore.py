"""Which files of a working directory git would ignore (https://git-scm.com/docs/gitignore).

The pattern language is pathspec's. How files in several folders add up is git's own rule: the deepest `.gitignore`
that has an answer gives it, in each the last pattern that matches, and nothing is seen below an ignored folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

_FILE = ".gitignore"
_FOLDER_MARK = "ps_d"
"""pathspec's group for the slash after a matched folder; what follows it lies below the folder."""

Patterns = tuple[tuple[re.Pattern[str], bool], ...]
"""Of one folder, and whether each ignores."""


@dataclass(frozen=True)
class Ignored:
    """Answers for what lies below `root`; patterns of `.gitignore` files above it count up to the repository's top."""

    root: Path
    _top: Path = field(init=False)
    _known: dict[Path, Patterns] = field(init=False, default_factory=dict[Path, Patterns])

    def __post_init__(self) -> None:
        root = self.root.resolve()
        top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
        object.__setattr__(self, "_top", top)
        object.__setattr__(self, "root", root)

    def __call__(self, name: str, is_folder: bool) -> bool:
        """Whether to pass over an entry whose folders were not passed over."""
        path = (self.root / name).relative_to(self._top).as_posix()
        if Path(name).name == ".git":
            return True
        folder = self._top / path
        while folder != self._top:
            folder = folder.parent
            inside = (self._top / path).relative_to(folder).as_posix()
            if folder not in self._known:
                self._known[folder] = _patterns(folder)
            for pattern, ignore in reversed(self._known[folder]):
                if _matches(pattern, inside, is_folder):
                    return ignore
        return False


def _patterns(folder: Path) -> Patterns:
    """Return the regular expressions of a folder's patterns, and whether they ignore or (`!`) do not."""
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    file = folder / _FILE
    if not file.is_file():
        return ()
    lines = file.read_text(encoding="utf-8-sig", errors="surrogateescape").split("\n")
    found = (GitIgnoreSpecPattern.pattern_to_regex(line) for line in lines)
    return tuple((re.compile(regex), ignore) for regex, ignore in found if regex and ignore is not None)


def _matches(pattern: re.Pattern[str], path: str, is_folder: bool) -> bool:
    """Whether the pattern means this very entry, not only a folder above it."""
    text = f"{path}/" if is_folder else path
    for match in pattern.finditer(text):
        end = match.end(_FOLDER_MARK) if match.groupdict().get(_FOLDER_MARK) else None
        if end == len(text) or (end is None and not (is_folder and match.end() == len(text))):
            return True
    return False
