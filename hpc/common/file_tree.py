"""The files below a folder, links followed. Standard library only: client and container both use it."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class TreeEntry:
    """A file below a folder, a folder without files, or something that cannot be sent."""

    name: str
    """Relative to the folder, parted by `/`."""
    path: Path
    is_folder: bool = False
    """A folder with nothing in it."""
    executable: bool = False
    trouble: str = ""
    """Why it cannot be sent; empty for a file or a folder."""


def walk(folder: Path, leave_out: Callable[[str, bool], bool] = lambda _name, _is_folder: False) -> Iterator[TreeEntry]:
    """Yield what is below the folder, in the order of names; a link counts as what it points at.

    Args:
        leave_out: given a relative name and whether it is a folder, says what to pass over.
    """
    yield from _walk(folder, "", leave_out, ())


def _walk(
    folder: Path, prefix: str, leave_out: Callable[[str, bool], bool], above: tuple[tuple[int, int], ...]
) -> Iterator[TreeEntry]:
    here = folder.stat()
    above = (*above, (here.st_dev, here.st_ino))
    for path in sorted(folder.iterdir()):
        name = prefix + path.name
        try:
            found = path.stat()
        except OSError as error:
            if not leave_out(name, False):
                broken = f"a link to {path.readlink()}, which is not there" if path.is_symlink() else error.strerror
                yield TreeEntry(name=name, path=path, trouble=broken or type(error).__name__)
            continue
        is_folder = stat.S_ISDIR(found.st_mode)
        if leave_out(name, is_folder and not path.is_symlink()):  # to git, a link to a folder is no folder
            continue
        if not is_folder:
            trouble = "" if stat.S_ISREG(found.st_mode) else "neither a file nor a folder"
            yield TreeEntry(name=name, path=path, executable=bool(found.st_mode & stat.S_IXUSR), trouble=trouble)
        elif (found.st_dev, found.st_ino) in above:
            yield TreeEntry(name=name, path=path, trouble="a link to a folder that it lies in")
        else:
            yield from _inside(path, name, leave_out, above)


def _inside(
    path: Path, name: str, leave_out: Callable[[str, bool], bool], above: tuple[tuple[int, int], ...]
) -> Iterator[TreeEntry]:
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
