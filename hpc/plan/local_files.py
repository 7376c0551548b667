"""Files of this machine that a run needs, as objects that are named by their content.

A file is the object `<project>/objects/<sha256>`; a folder is one too, its listing, as in git. So the same content is
sent once, by whatever run, and what a repeated submit finds in the bucket it does not send again.
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
"""How `--script` travels: as an input of this name."""


@dataclass(frozen=True, kw_only=True)
class Upload:
    """An object of the content store."""

    sha256: str
    size: int
    """Bytes."""
    path: Path | None
    """None for the listing of a folder, which is `body`."""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True)
class LocalFiles:
    """What a request takes from this machine, listed but not read.

    A single file is an entry without a name.
    """

    inputs: Mapping[str, tuple[TreeEntry, ...]]
    """By name of the input."""
    workdir: tuple[TreeEntry, ...] | None
    cells: Mapping[str, tuple[TreeEntry, ...]] = field(default_factory=dict[str, tuple[TreeEntry, ...]])
    """By path as the cells of a tasks file name it, each path once however many rows have it."""

    @property
    def all(self) -> Iterator[TreeEntry]:
        for entries in (*self.inputs.values(), self.workdir or (), *self.cells.values()):
            yield from entries


def find(spec: JobSpec) -> LocalFiles:
    """List the local files of a request; what does not exist is left out."""
    inputs = {item.name: entries(item.path) for item in spec.inputs if not item.is_uri and item.path.exists()}
    if spec.script and spec.script.is_file():
        inputs[SCRIPT] = (TreeEntry(name="", path=spec.script, executable=True),)
    is_sent = spec.workdir and spec.workdir.is_dir()
    return LocalFiles(inputs=inputs, workdir=entries(spec.workdir, walk_git) if spec.workdir and is_sent else None)


def entries(path: Path, list_folder: Callable[[Path], Iterator[TreeEntry]] = walk) -> tuple[TreeEntry, ...]:
    """Return a file as one entry, a folder as all that lies below it; what cannot be listed is an entry's trouble."""
    if not path.is_dir():
        return (TreeEntry(name="", path=path, executable=os.access(path, os.X_OK)),)
    try:
        return tuple(list_folder(path))
    except OSError as error:
        return (TreeEntry(name=".", path=path, trouble=f"cannot be read: {error}"),)


def check_files(files: LocalFiles, spec: JobSpec) -> Iterator[str]:
    """Yield what of the local files cannot be sent."""
    for item in spec.inputs:
        if item.name in files.inputs:
            yield from check_entries(f"--input {item.name}={item.source}", files.inputs[item.name])
    if files.workdir is not None:
        yield from check_entries(f"--workdir {spec.workdir}", files.workdir, is_workdir=True)


def check_entries(flag: str, found: tuple[TreeEntry, ...], *, is_workdir: bool = False) -> Iterator[str]:
    """Yield what of a file or folder cannot be sent."""
    fix = "remove it, or name it in .gitignore" if is_workdir else "remove it, or give a folder without it"
    bad = [f"{item.path}: {item.trouble}" for item in found if item.trouble]
    bad += [f"{item.path!r}: the name is not UTF-8" for item in found if not is_text(item.name)]
    yield from (f"{flag}: {text}; {fix}" for text in bad[:_MOST_COMPLAINTS])
    if len(bad) > _MOST_COMPLAINTS:
        yield f"{flag}: and {len(bad) - _MOST_COMPLAINTS} more"
    if not is_workdir and all(item.is_folder for item in found):
        yield f"{flag}: the folder has no file"


@dataclass(frozen=True, kw_only=True)
class Content:
    """The local files of a request, read once and known by their SHA-256."""

    inputs: tuple[InputReference, ...]
    workdir: InputReference | None
    cells: Mapping[str, InputReference]
    """By path as the cells of a tasks file name it."""
    uploads: tuple[Upload, ...]
    """Each object once."""
    complaints: tuple[str, ...]
    """Files that could not be read."""


def read(files: LocalFiles) -> Content:
    """Read the files, several at a time."""
    from concurrent.futures import ThreadPoolExecutor

    paths = list({item.path: None for item in files.all if not item.is_folder})
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = dict(zip(paths, pool.map(_hash, paths), strict=True))
    complaints = sorted(item for item in found.values() if isinstance(item, str))
    if complaints:
        return Content(inputs=(), workdir=None, cells={}, uploads=(), complaints=tuple(complaints))
    hashed = {path: item for path, item in found.items() if isinstance(item, Upload)}
    uploads = dict[str, Upload]()

    def reference(name: str, found: tuple[TreeEntry, ...]) -> InputReference:
        made, needed = _reference(name, found, hashed)
        uploads.update({upload.sha256: upload for upload in needed if upload.sha256 not in uploads})
        return made

    cells = {cell: replace(reference("", found), name="") for cell, found in files.cells.items()}
    return Content(
        inputs=tuple(reference(name, found) for name, found in files.inputs.items()),
        workdir=None if files.workdir is None else reference(WORKDIR, files.workdir),
        cells=cells,
        uploads=tuple(uploads.values()),
        complaints=(),
    )


def _reference(
    name: str, found: tuple[TreeEntry, ...], hashed: Mapping[Path, Upload]
) -> tuple[InputReference, list[Upload]]:
    """Return what request.json says about a file or folder, and the objects that it needs."""
    if len(found) == 1 and not found[0].name:
        (item,) = found
        upload = hashed[item.path]
        made = InputReference(
            name=name, object=upload.sha256, size=upload.size, file=item.path.name, executable=item.executable
        )
        return made, [upload]
    files = [(item, hashed[item.path]) for item in found if not item.is_folder]
    listing = FolderListing(
        files=tuple(
            ListedFile(path=item.name, object=upload.sha256, size=upload.size, executable=item.executable)
            for item, upload in files
        ),
        empty_folders=tuple(item.name for item in found if item.is_folder),
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
