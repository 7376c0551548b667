"""The run's request.json: what was asked, written by the submitter, read by the container and by every client.

A key that holds its default is left out, so that a new field changes neither the documents nor the digests of requests
that do not use it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from types import MappingProxyType
from typing import Any, cast

from hpc.contract.task_layout import Layout
from hpc.contract.version import OLD_IMAGES_REFUSE, VERSION, VersionMismatch, is_newer, major

ON_FAILURE = ("all", "logs", "none")
"""What is kept of the outputs of a command that failed."""
LOG_SUFFIXES = (".log", ".out", ".err")
"""Suffixes of files that count as logs."""
FIRST = "1.0"
"""The first contract: what every image can read."""


def _since(version: str) -> Mapping[str, str]:
    """Mark a field that images of older contracts ignore: using it makes the request need this version."""
    return MappingProxyType({"since": version})


@dataclass(frozen=True, kw_only=True)
class InputReference:
    """A file or folder for the command: exactly one of `uri`, `object` and `tree` is given."""

    name: str
    """The command finds its path at `$name`."""
    uri: str = ""
    """`s3://bucket/key`; a key that ends in `/` is a folder."""
    object: str = field(default="", metadata=_since("1.2"))
    """SHA-256 of a file in the content store."""
    tree: str = field(default="", metadata=_since("1.2"))
    """SHA-256 of a folder's listing in the content store."""
    file: str = ""
    """Name of the file that `object` becomes."""
    executable: bool = False
    size: int = 0
    """Bytes, where they are known beforehand."""
    files: int = 0
    """Number of files of a `tree`."""

    def to_json(self) -> dict[str, Any]:
        return _changed(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any], name: str | None = None) -> InputReference:
        """Read a reference.

        Args:
            name: for a cell of a tasks file, whose column names the input.

        Raises:
            ValueError: it names no content, or more than one.
        """
        found = cls(
            name=str(raw["name"] if name is None else name),
            uri=str(raw.get("uri", "")),
            object=str(raw.get("object", "")),
            tree=str(raw.get("tree", "")),
            file=str(raw.get("file", "")),
            executable=bool(raw.get("executable")),
            size=int(raw.get("size", 0)),
            files=int(raw.get("files", 0)),
        )
        if [bool(found.uri), bool(found.object), bool(found.tree)].count(True) != 1:
            raise ValueError(f"input {found.name}: expected one of uri, object and tree, found {sorted(raw)}")
        return found


@dataclass(frozen=True, kw_only=True)
class ListedFile:
    """A file of a folder in the content store."""

    path: str
    """Relative to the folder, with `/`."""
    object: str
    """SHA-256."""
    size: int
    """Bytes."""
    executable: bool


@dataclass(frozen=True, kw_only=True)
class FolderListing:
    """A folder in the content store: an object that names the objects of its files, as a tree in git."""

    files: tuple[ListedFile, ...]
    empty_folders: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the object's content; equal listings give equal bytes, and so one object."""
        listed = [vars(file) for file in self.files]
        return json.dumps({"files": listed, "empty_folders": list(self.empty_folders)}, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, text: bytes) -> FolderListing:
        """Read a listing.

        Raises:
            ValueError, KeyError, TypeError: the text is something else.
        """
        raw = json.loads(text)
        files = (
            ListedFile(
                path=str(item["path"]),
                object=str(item["object"]),
                size=int(item["size"]),
                executable=bool(item["executable"]),
            )
            for item in raw["files"]
        )
        return cls(files=tuple(files), empty_folders=tuple(str(name) for name in raw["empty_folders"]))


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A signal to the command before its end."""

    name: str
    """As in SIGUSR1."""
    before_s: int
    """Seconds before the time-out and before the end of a Spot instance."""


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What was asked. `layout` stands for the keys `parts`, `pack` and `only`."""

    run_id: str
    project: str
    name: str
    queue: str
    definition: str
    kind: str
    command: tuple[str, ...]
    layout: Layout
    vcpus: int
    memory_mib: int
    gpus: int
    tasks: int | None = None
    """Rows of the tasks file that the run holds; None where it has no tasks file."""
    array: int | None = None
    nodes: int | None = None
    inputs: tuple[InputReference, ...] = ()
    outputs: tuple[str, ...] = ()
    """Names; the command finds the path of each at `$name`."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    image: str | None = None
    """Image of a custom job definition, pinned by digest."""
    own_definition: str | None = None
    """Name of the custom job definition, which says what it holds."""
    slots_per_node: int | None = field(default=None, metadata=_since("1.2"))
    every_node: bool = field(default=False, metadata=_since("1.2"))
    """Run the command on every node, not on the main one alone."""
    workdir: InputReference | None = field(default=None, metadata=_since("1.2"))
    destinations: Mapping[str, str] = field(default_factory=dict[str, str], metadata=_since("1.2"))
    """`s3://bucket/key` by the name of an output that is kept outside the run."""
    patterns: tuple[str, ...] = field(default=(), metadata=_since("1.2"))
    """Outputs by glob pattern, relative to the command's working directory."""
    column_roles: tuple[str, ...] = field(default=(), metadata=_since("1.2"))
    """Roles that columns of the tasks file have, such as `--setenv`."""
    on_failure: str = field(default="all", metadata=_since("1.2"))
    """One of ON_FAILURE."""
    checkpoint_minutes: int | None = field(default=None, metadata=_since("1.2"))
    signal: Signal | None = field(default=None, metadata=_since("1.2"))
    """None: SIGTERM, when the end of a Spot instance is announced."""
    timeout_s: int | None = None
    """Seconds of an attempt, from its start; known where `signal` needs it."""
    sha256: str = ""
    """`digest` of the request with what it refers to: a resumed run must have the same."""
    submitted_by: str = ""
    submitted_at: str = ""
    """ISO 8601, UTC."""
    client: str = ""
    """Name and version of the client that submitted it."""

    @property
    def slots(self) -> int:
        """MPI ranks on each node when `mpirun` is not told."""
        return self.slots_per_node or self.vcpus

    @property
    def needs(self) -> str:
        """The oldest contract whose images run this request right."""
        newest = FIRST
        for version in _needed(self):
            if is_newer(version, newest):
                newest = version
        return newest

    @property
    def version(self) -> str:
        """The version that images before 1.2 look at: they must refuse what they would run wrongly."""
        return OLD_IMAGES_REFUSE if is_newer(self.needs, "1.1") else VERSION

    def to_json(self) -> dict[str, Any]:
        layout: dict[str, Any] = {
            "parts": [{"offset": offset, "size": size} for offset, size in self.layout.parts],
            "pack": self.layout.pack,
        }
        if self.layout.only is not None:
            layout["only"] = [list(item) for item in self.layout.only]
        written = {key: value for key, value in _changed(self).items() if key != "layout"}
        return {"version": self.version, "contract": VERSION, "needs": self.needs, **written, **layout}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> RunRequest:
        """Read a request of any contract; keys that this version does not know are ignored.

        Raises:
            ValueError, KeyError, TypeError: it is not what the contract says; the message names the key.
        """
        signal = raw.get("signal")
        workdir = raw.get("workdir")
        return cls(
            run_id=str(raw.get("run_id", "")),
            project=str(raw.get("project", "")),
            name=str(raw.get("name", "")),
            queue=str(raw.get("queue", "")),
            definition=str(raw.get("definition", "")),
            kind=str(raw["kind"]),
            command=tuple(str(word) for word in raw.get("command", ())),
            layout=Layout(
                parts=tuple((int(part["offset"]), int(part["size"])) for part in raw["parts"]),
                pack=int(raw.get("pack") or 1),
                only=tuple((int(first), int(last)) for first, last in raw["only"]) if raw.get("only") else None,
            ),
            vcpus=int(raw["vcpus"]),
            memory_mib=int(raw.get("memory_mib") or 0),
            gpus=int(raw.get("gpus") or 0),
            tasks=raw.get("tasks"),
            array=raw.get("array"),
            nodes=raw.get("nodes"),
            inputs=tuple(InputReference.from_json(item) for item in raw.get("inputs", ())),
            outputs=tuple(str(name) for name in raw.get("outputs", ())),
            environment={str(name): str(value) for name, value in raw.get("environment", {}).items()},
            image=raw.get("image"),
            own_definition=raw.get("own_definition"),
            slots_per_node=raw.get("slots_per_node"),
            every_node=bool(raw.get("every_node")),
            workdir=InputReference.from_json(workdir, WORKDIR) if workdir else None,
            destinations={str(name): str(uri) for name, uri in raw.get("destinations", {}).items()},
            patterns=tuple(str(pattern) for pattern in raw.get("patterns", ())),
            column_roles=tuple(str(role) for role in raw.get("column_roles", ())),
            on_failure=str(raw.get("on_failure") or "all"),
            checkpoint_minutes=raw.get("checkpoint_minutes"),
            signal=Signal(name=str(signal["name"]), before_s=int(signal["before_s"])) if signal else None,
            timeout_s=raw.get("timeout_s"),
            sha256=str(raw.get("sha256", "")),
            submitted_by=str(raw.get("submitted_by", "")),
            submitted_at=str(raw.get("submitted_at", "")),
            client=str(raw.get("client", "")),
        )

    def digest(self, *others: object) -> str:
        """Hash what was asked: neither who submits when, nor the version of the client.

        Args:
            others: what else belongs to the request and is not in request.json, as JSON values.
        """
        said = _changed(self) | {"layout": [self.layout.parts, self.layout.pack, self.layout.only]}
        asked = {key: value for key, value in said.items() if key not in _NOT_ASKED}
        return hashlib.sha256(json.dumps([asked, *others], sort_keys=True).encode()).hexdigest()


WORKDIR = "--workdir"
"""Name of the input that becomes the working directory."""
_NOT_ASKED = ("sha256", "submitted_by", "submitted_at", "client")


def check_readable(raw: Mapping[str, Any]) -> None:
    """Check that this image runs a request right.

    Raises:
        VersionMismatch: it needs a newer contract; the message says which side to update.
        ValueError, KeyError: it states no version.
    """
    needs = raw.get("needs")
    if needs is None and major(raw["version"]) <= major(VERSION):
        return  # contract 1.0 and 1.1 had no `needs`; all that they wrote is read here
    if needs is None or is_newer(needs):
        client = raw.get("client") or "a newer hpc"
        raise VersionMismatch(
            f"this run needs contract {needs or raw['version']}, the image speaks {VERSION}; {client} submitted it:"
            " the platform team pushes a newer image and deploys it (make push ENV=..., then cdk deploy), or the run is"
            " submitted with the hpc-batch that the image was built from"
        )


def _needed(item: RunRequest | InputReference) -> Iterator[str]:
    """Yield the contract that each used field came with."""
    for this in fields(item):
        value = getattr(item, this.name)
        if "since" in this.metadata and value != _default(this):
            yield this.metadata["since"]
    if isinstance(item, RunRequest):
        if item.layout.pack != 1 or item.layout.only is not None:
            yield "1.2"
        for reference in item.inputs:
            yield from _needed(reference)


def _changed(item: object) -> dict[str, Any]:
    """Return the fields of a dataclass that do not hold their default, as JSON values."""
    found: dict[str, Any] = {}
    for this in fields(item):  # pyright: ignore[reportArgumentType]
        value = getattr(item, this.name)
        if value != _default(this):
            found[this.name] = _json_value(value)
    return found


def _default(this: Field[Any]) -> Any:
    return this.default if this.default_factory is MISSING else this.default_factory()


def _json_value(value: Any) -> Any:
    match value:
        case InputReference() | Signal():
            return _changed(value)
        case tuple():
            return [_json_value(item) for item in cast("tuple[Any, ...]", value)]
        case Mapping():
            return dict(cast("Mapping[str, str]", value))
        case _:
            return value
