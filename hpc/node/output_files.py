"""Output files of a command, by name and by pattern, and their keys in S3."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from hpc.common.file_tree import walk
from hpc.contract import exit_codes
from hpc.node.failure import Failure

Stamp = tuple[int, int, int, int]
"""Inode, size, and times of modification and change of a file: it differs if the file has changed."""


def matching(workdir: Path, pattern: str) -> dict[str, Path]:
    """Return the files that match a pattern, by name relative to the working directory; a folder matches all files
    below it."""
    files: dict[str, Path] = {}
    for name in glob.glob(pattern, root_dir=workdir, recursive=True):  # noqa: PTH207 - Path.glob leaves links out
        path = workdir / name
        if path.is_dir():
            files.update({PurePosixPath(name, below_it).as_posix(): file for below_it, file in below(path).items()})
        elif path.is_file():
            files[PurePosixPath(name).as_posix()] = path
    return files


def below(folder: Path) -> dict[str, Path]:
    """Return all files below a folder, following links, by relative name."""
    return {item.name: item.path for item in walk(folder) if not (item.is_folder or item.trouble)}


def stamps(workdir: Path, patterns: Iterable[str]) -> dict[str, Stamp]:
    """Return the stamps of the matching files that exist before the command starts, to detect changes."""
    return {name: _stamp(path) for pattern in patterns for name, path in matching(workdir, pattern).items()}


def made(workdir: Path, pattern: str, before: dict[str, Stamp]) -> dict[str, Path]:
    """Return the files that match a pattern and are new or changed since `before`."""
    return {name: path for name, path in matching(workdir, pattern).items() if before.get(name) != _stamp(path)}


def check(named: Iterable[tuple[str, Path]], workdir: Path, patterns: Iterable[str], before: dict[str, Stamp]) -> None:
    """Check that a command wrote every output.

    Args:
        named: name and path of each output that has a name.

    Raises:
        Failure: outputs are missing; the message names all of them.
    """
    missing = [f"${name}" for name, path in named if not path.exists()]
    missing += [f"{pattern} in {workdir}" for pattern in patterns if not made(workdir, pattern, before)]
    if missing:
        raise Failure(
            exit_codes.MISSING_OUTPUT, f"the command ended with exit code 0 but left nothing at {', '.join(missing)}"
        )


def key_at(destination: str, name: str) -> str:
    """Return the key of a file that belongs to an output with a destination.

    Args:
        name: file name relative to the outputs: `NAME`, or `NAME/...` in a folder.
    """
    key = destination.removeprefix("s3://").partition("/")[2]
    first, _, rest = name.partition("/")
    if rest:
        return f"{key.rstrip('/')}/{rest}"
    return key + first if key.endswith("/") else key


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
