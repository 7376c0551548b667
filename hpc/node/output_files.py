"""What a command leaves: files by name, by pattern, and where each goes."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from hpc.common.file_tree import walk

Stamp = tuple[int, int, int, int]


def matching(workdir: Path, pattern: str) -> dict[str, Path]:
    """Return the files that a pattern means, by their name relative to the working directory; a folder means all
    files below it."""
    found: dict[str, Path] = {}
    for name in glob.glob(pattern, root_dir=workdir, recursive=True):  # noqa: PTH207 - Path.glob leaves links out
        path = workdir / name
        if path.is_dir():
            found.update({PurePosixPath(name, below_it).as_posix(): file for below_it, file in below(path).items()})
        elif path.is_file():
            found[PurePosixPath(name).as_posix()] = path
    return found


def below(folder: Path) -> dict[str, Path]:
    """Return all files below a folder, links followed, by relative name."""
    return {item.name: item.path for item in walk(folder) if not (item.is_folder or item.trouble)}


def stamps(workdir: Path, patterns: Iterable[str]) -> dict[str, Stamp]:
    """Return what tells whether a file has changed, of the files that are there before the command starts."""
    return {name: _stamp(path) for pattern in patterns for name, path in matching(workdir, pattern).items()}


def made(workdir: Path, pattern: str, before: dict[str, Stamp]) -> dict[str, Path]:
    """Return the files that a pattern means and that were not there, or not the same, before."""
    return {name: path for name, path in matching(workdir, pattern).items() if before.get(name) != _stamp(path)}


def key_at(destination: str, name: str) -> str:
    """Return the key of a file of an output that has a destination.

    Args:
        name: of the file, relative to the outputs: `NAME`, or `NAME/...` in a folder.
    """
    key = destination.removeprefix("s3://").partition("/")[2]
    first, _, rest = name.partition("/")
    if rest:
        return f"{key.rstrip('/')}/{rest}"
    return key + first if key.endswith("/") else key


def _stamp(path: Path) -> Stamp:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
