"""The files below a folder, links followed. Standard library only: client and container both use it."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

LeaveOut = Callable[[str, bool], bool]
"""Given a relative name and whether it is a folder, says whether to pass over it."""


@dataclass(frozen=True, kw_only=True)
class TreeEntry:
    """A file below a folder, a folder without files, or something that cannot be sent."""

    name: str
    """Relative to the folder, with `/`; empty for a single file."""
    path: Path
    is_folder: bool = False
    """A folder with nothing in it."""
    executable: bool = False
    trouble: str = ""
    """Why it cannot be sent; empty for a file or a folder."""


def walk(
    folder: Path, leave_out: LeaveOut = lambda _name, _is_folder: False, *, prefix: str = ""
) -> Iterator[TreeEntry]:
    """Yield the entries below a folder in the order of their names; a link counts as its target.

    Args:
        prefix: of the names, where the folder itself lies in another.
    """
    yield from _walk(folder, prefix, leave_out, ())


def file_entry(name: str, path: Path) -> TreeEntry:
    """Return the entry of anything but a folder."""
    try:
        found = path.stat()
    except OSError as error:
        broken = f"a link to {path.readlink()}, which does not exist" if path.is_symlink() else error.strerror
        return TreeEntry(name=name, path=path, trouble=broken or type(error).__name__)
    trouble = "" if stat.S_ISREG(found.st_mode) else "neither a file nor a folder"
    return TreeEntry(name=name, path=path, executable=bool(found.st_mode & stat.S_IXUSR), trouble=trouble)


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
        found = path.stat()
        if (found.st_dev, found.st_ino) in above:
            yield TreeEntry(name=name, path=path, trouble="a link to a folder that it lies in")
        else:
            yield from _inside(path, name, leave_out, above)


def _inside(path: Path, name: str, leave_out: LeaveOut, above: tuple[tuple[int, int], ...]) -> Iterator[TreeEntry]:
    count = 0
    try:
        for found in _walk(path, f"{name}/", leave_out, above):
            count += 1
            yield found
    except PermissionError as error:
        yield TreeEntry(name=name, path=path, trouble=error.strerror or "")
        return
    if not count:
        yield TreeEntry(name=name, path=path, is_folder=True)


def is_text(name: str) -> bool:
    """Whether a name or word from the operating system is UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
