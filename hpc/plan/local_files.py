"""Files of this machine that a run needs, as objects that are named by their content.

A file is the object `<project>/objects/<sha256>`; a folder is one too, its listing, as in git. So the same content is
sent once, by whatever run, and what a repeated submit finds in the bucket it does not send again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpc.common.file_tree import TreeEntry, is_text, walk
from hpc.errors import BadInput
from hpc.plan.gitignore import Ignored
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
    """What a request takes from this machine, found but not read."""

    inputs: dict[str, list[TreeEntry]]
    """Files by name of the input; a file by itself has no name of its own (it is empty)."""
    workdir: list[TreeEntry] | None
    cells: dict[str, list[TreeEntry]] = field(default_factory=dict[str, list[TreeEntry]])
    """Files by path as the cells of a tasks file name it, each path once however many rows have it."""

    def __iter__(self) -> Iterator[TreeEntry]:
        for found in (*self.inputs.values(), self.workdir or [], *self.cells.values()):
            yield from found

    def look_up(self, cell: str) -> str | None:
        """Look up what a cell names; return what is wrong with it, None if it can be sent."""
        complaints = list[str]()
        if cell not in self.cells:
            if not cell or not Path(cell).exists():
                return f"{cell!r}: no such file or folder here; write a path or s3://bucket/key"
            self.cells[cell] = _look(cell, Path(cell), complaints)
        return complaints[0] if complaints else None


def find(spec: JobSpec, complaints: list[str]) -> LocalFiles:
    """Look up every local file of a request; what cannot be sent is complained about."""
    inputs = {item.name: _look(f"--input {item.name}={item.source}", item.path, complaints) for item in spec.inputs
              if not item.is_uri and item.path.exists()}  # fmt: skip
    if spec.script and spec.script.is_file():
        inputs[SCRIPT] = [TreeEntry(name="", path=spec.script, executable=True)]
    workdir = None
    if spec.workdir and spec.workdir.is_dir():
        workdir = _look(f"--workdir {spec.workdir}", spec.workdir, complaints, git=True)
    return LocalFiles(inputs=inputs, workdir=workdir)


def _look(flag: str, path: Path, complaints: list[str], *, git: bool = False) -> list[TreeEntry]:
    if not path.is_dir():
        return [TreeEntry(name="", path=path, executable=os.access(path, os.X_OK))]
    try:
        found = list(walk(path, Ignored(path))) if git else list(walk(path))
    except OSError as error:
        complaints.append(f"{flag}: cannot be read: {error}")
        return []
    bad = [f"{item.path}: {item.trouble}" for item in found if item.trouble]
    bad += [f"{item.path!r}: the name is not UTF-8" for item in found if not is_text(item.name)]
    fix = "remove it, or name it in .gitignore" if git else "remove it, or give a folder without it"
    complaints += [f"{flag}: {text}; {fix}" for text in bad[:_MOST_COMPLAINTS]]
    if len(bad) > _MOST_COMPLAINTS:
        complaints.append(f"{flag}: and {len(bad) - _MOST_COMPLAINTS} more")
    if not git and not any(not item.is_folder for item in found):
        complaints.append(f"{flag}: the folder has no file")
    return found


class Objects:
    """The objects of a request: its files are read once, several at a time, and known by their SHA-256."""

    def __init__(self, files: LocalFiles) -> None:
        """Read the files.

        Raises:
            BadInput: files that cannot be read.
        """
        self._uploads: dict[str, Upload] = {}
        paths = list({item.path: None for item in files if not item.is_folder})
        complaints = list[str]()

        def read(path: Path) -> Upload | None:
            try:
                return _hash(path)
            except OSError as error:
                complaints.append(f"{path}: cannot be read: {error.strerror}")
                return None

        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            self._files = dict(zip(paths, pool.map(read, paths), strict=True))
        if complaints:
            raise BadInput(sorted(complaints))

    @property
    def uploads(self) -> tuple[Upload, ...]:
        """What the references so far need, each object once."""
        return tuple(self._uploads.values())

    def reference(self, found: list[TreeEntry]) -> dict[str, Any]:
        """Return what request.json says about a file or folder."""
        if len(found) == 1 and not found[0].name:
            (item,) = found
            upload = self._need(item)
            return {"object": upload.sha256, "size": upload.size, "file": item.path.name, "executable": item.executable}
        files = [(item, self._need(item)) for item in found if not item.is_folder]
        listing = {
            "files": [
                {"path": item.name, "object": upload.sha256, "size": upload.size, "executable": item.executable}
                for item, upload in files
            ],
            "empty_folders": [item.name for item in found if item.is_folder],
        }
        body = json.dumps(listing, sort_keys=True).encode()
        sha256 = hashlib.sha256(body).hexdigest()
        self._uploads[sha256] = Upload(sha256=sha256, size=len(body), path=None, body=body)
        return {"tree": sha256, "size": sum(upload.size for _, upload in files), "files": len(files)}

    def _need(self, item: TreeEntry) -> Upload:
        upload = self._files[item.path]
        assert upload is not None  # noqa: S101 - __init__ has refused
        return self._uploads.setdefault(upload.sha256, upload)


def _hash(path: Path) -> Upload:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Upload(sha256=digest, size=file.tell(), path=path)
