"""Traversal of a folder, following links. Standard library only: client and container both use it."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

LeaveOut = Callable[[str, bool], bool]
"""Called with a relative name and whether it is a folder; returns whether to skip it."""


@dataclass(frozen=True, kw_only=True)
class TreeEntry:
    """A file below a folder, an empty folder, or an entry that cannot be uploaded."""

    name: str
    """Relative to the folder, separated by `/`; empty for a single file."""
    path: Path
    is_folder: bool = False
    """True for an empty folder."""
    executable: bool = False
    trouble: str = ""
    """The reason why the entry cannot be uploaded; empty for a file or a folder."""


def walk(
    folder: Path, leave_out: LeaveOut = lambda _name, _is_folder: False, *, prefix: str = ""
) -> Iterator[TreeEntry]:
    """Yield the entries below a folder, sorted by name; a link counts as its target.

    Args:
        prefix: prepended to the names, if the folder is itself part of another one.
    """
    yield from _walk(folder, prefix, leave_out, ())


def file_entry(name: str, path: Path) -> TreeEntry:
    """Return the entry of a path that is not a folder."""
    try:
        status = path.stat()
    except OSError as error:
        broken = f"a link to {path.readlink()}, which does not exist" if path.is_symlink() else error.strerror
        return TreeEntry(name=name, path=path, trouble=broken or type(error).__name__)
    trouble = "" if stat.S_ISREG(status.st_mode) else "neither a file nor a folder"
    return TreeEntry(name=name, path=path, executable=bool(status.st_mode & stat.S_IXUSR), trouble=trouble)


def _walk(folder: Path, prefix: str, leave_out: LeaveOut, above: tuple[tuple[int, int], ...]) -> Iterator[TreeEntry]:
    here = folder.stat()
    above = (*above, (here.st_dev, here.st_ino))
    for path in sorted(folder.iterdir()):
        name, is_folder = prefix + path.name, path.is_dir()
        if leave_out(name, is_folder):
            continue
        if not is_folder:
            yield file_entry(name, path)
            continue
        status = path.stat()
        if (status.st_dev, status.st_ino) in above:
            yield TreeEntry(name=name, path=path, trouble="a link to a folder that contains it")
        else:
            yield from _inside(path, name, leave_out, above)


def _inside(path: Path, name: str, leave_out: LeaveOut, above: tuple[tuple[int, int], ...]) -> Iterator[TreeEntry]:
    count = 0
    try:
        for entry in _walk(path, f"{name}/", leave_out, above):
            count += 1
            yield entry
    except PermissionError as error:
        yield TreeEntry(name=name, path=path, trouble=error.strerror or "")
        return
    if not count:
        yield TreeEntry(name=name, path=path, is_folder=True)


def is_text(name: str) -> bool:
    """Return whether a string from the operating system is valid UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
