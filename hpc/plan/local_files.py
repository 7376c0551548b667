"""Local files of a run, as content-addressed objects.

A file is the object `<project>/objects/<sha256>`; a folder is the object of its listing, as in git. The same content is
uploaded once for all runs, and a repeated submission uploads only what the bucket lacks.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from hpc.common.file_tree import TreeEntry, is_text, walk
from hpc.contract.run_request import WORKDIR, FolderListing, InputReference, ListedFile
from hpc.plan.git_files import walk_git
from hpc.request.job_spec import JobSpec

_MOST_COMPLAINTS = 10
SCRIPT = "HPC_SCRIPT"
"""Name of the input in which `--script` is sent."""


@dataclass(frozen=True, kw_only=True)
class Upload:
    """An object of the content store."""

    sha256: str
    size: int
    """Bytes."""
    path: Path | None
    """None for the listing of a folder, whose content is `body`."""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True)
class LocalFiles:
    """The local files of a request, listed but not read.

    A single file is an entry with an empty name.
    """

    inputs: Mapping[str, tuple[TreeEntry, ...]]
    """By name of input."""
    workdir: tuple[TreeEntry, ...] | None
    cells: Mapping[str, tuple[TreeEntry, ...]] = field(default_factory=dict[str, tuple[TreeEntry, ...]])
    """By path in the cells of a tasks file, each path once even if several rows have it."""

    @property
    def all(self) -> Iterator[TreeEntry]:
        for entries in (*self.inputs.values(), self.workdir or (), *self.cells.values()):
            yield from entries


def find(spec: JobSpec) -> LocalFiles:
    """List the local files of a request; those that do not exist are omitted."""
    inputs = {item.name: entries(item.path) for item in spec.inputs if not item.is_uri and item.path.exists()}
    if spec.script and spec.script.is_file():
        inputs[SCRIPT] = (TreeEntry(name="", path=spec.script, executable=True),)
    is_sent = spec.workdir and spec.workdir.is_dir()
    return LocalFiles(inputs=inputs, workdir=entries(spec.workdir, walk_git) if spec.workdir and is_sent else None)


def entries(path: Path, list_folder: Callable[[Path], Iterator[TreeEntry]] = walk) -> tuple[TreeEntry, ...]:
    """Return a file as one entry, a folder as its tree; an entry's `trouble` is the error if it cannot be listed."""
    if not path.is_dir():
        return (TreeEntry(name="", path=path, executable=os.access(path, os.X_OK)),)
    try:
        return tuple(list_folder(path))
    except OSError as error:
        return (TreeEntry(name=".", path=path, trouble=f"cannot be read: {error}"),)


def check_files(files: LocalFiles, spec: JobSpec) -> Iterator[str]:
    """Check that the local files can be sent."""
    for item in spec.inputs:
        if item.name in files.inputs:
            yield from check_entries(f"--input {item.name}={item.source}", files.inputs[item.name])
    if files.workdir is not None:
        yield from check_entries(f"--workdir {spec.workdir}", files.workdir, is_workdir=True)


def check_entries(flag: str, tree: tuple[TreeEntry, ...], *, is_workdir: bool = False) -> Iterator[str]:
    """Check that a file or folder can be sent."""
    fix = "remove it, or add it to .gitignore" if is_workdir else "remove it, or give a folder without it"
    bad = [f"{item.path}: {item.trouble}" for item in tree if item.trouble]
    bad += [f"{item.path!r}: the name is not UTF-8" for item in tree if not is_text(item.name)]
    yield from (f"{flag}: {text}; {fix}" for text in bad[:_MOST_COMPLAINTS])
    if len(bad) > _MOST_COMPLAINTS:
        yield f"{flag}: and {len(bad) - _MOST_COMPLAINTS} more"
    if not is_workdir and all(item.is_folder for item in tree):
        yield f"{flag}: the folder has no file"


@dataclass(frozen=True, kw_only=True)
class Content:
    """The local files of a request, read once and identified by SHA-256."""

    inputs: tuple[InputReference, ...]
    workdir: InputReference | None
    cells: Mapping[str, InputReference]
    """By path in the cells of a tasks file."""
    uploads: tuple[Upload, ...]
    """Each object once."""
    complaints: tuple[str, ...]
    """Errors of files that could not be read."""


def read(files: LocalFiles) -> Content:
    """Read and hash the files, several in parallel."""
    from concurrent.futures import ThreadPoolExecutor

    paths = list({item.path: None for item in files.all if not item.is_folder})
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        results = dict(zip(paths, pool.map(_hash, paths), strict=True))
    complaints = sorted(item for item in results.values() if isinstance(item, str))
    if complaints:
        return Content(inputs=(), workdir=None, cells={}, uploads=(), complaints=tuple(complaints))
    hashed = {path: item for path, item in results.items() if isinstance(item, Upload)}
    uploads = dict[str, Upload]()

    def reference(name: str, tree: tuple[TreeEntry, ...]) -> InputReference:
        made, needed = _reference(name, tree, hashed)
        uploads.update({upload.sha256: upload for upload in needed if upload.sha256 not in uploads})
        return made

    cells = {cell: replace(reference("", tree), name="") for cell, tree in files.cells.items()}
    return Content(
        inputs=tuple(reference(name, tree) for name, tree in files.inputs.items()),
        workdir=None if files.workdir is None else reference(WORKDIR, files.workdir),
        cells=cells,
        uploads=tuple(uploads.values()),
        complaints=(),
    )


def _reference(
    name: str, tree: tuple[TreeEntry, ...], hashed: Mapping[Path, Upload]
) -> tuple[InputReference, list[Upload]]:
    """Return the entry of a file or folder in request.json, and its objects."""
    if len(tree) == 1 and not tree[0].name:
        (item,) = tree
        upload = hashed[item.path]
        made = InputReference(
            name=name, object=upload.sha256, size=upload.size, file=item.path.name, executable=item.executable
        )
        return made, [upload]
    files = [(item, hashed[item.path]) for item in tree if not item.is_folder]
    listing = FolderListing(
        files=tuple(
            ListedFile(path=item.name, object=upload.sha256, size=upload.size, executable=item.executable)
            for item, upload in files
        ),
        empty_folders=tuple(item.name for item in tree if item.is_folder),
    )
    body = listing.to_bytes()
    sha256 = hashlib.sha256(body).hexdigest()
    size = sum(upload.size for _, upload in files)
    made = InputReference(name=name, tree=sha256, size=size, files=len(files))
    return made, [*(upload for _, upload in files), Upload(sha256=sha256, size=len(body), path=None, body=body)]


def _hash(path: Path) -> Upload | str:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return Upload(sha256=digest, size=file.tell(), path=path)
    except OSError as error:
        return f"{path}: cannot be read: {error.strerror}"
