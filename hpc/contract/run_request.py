"""The request.json of a run: written by the submitter, read by the container and by every client.

Fields that have their default value are left out, so that a new field changes neither the documents nor the digests of
requests that do not use it. A new field states the contract that it came with (`_since`), so that older images refuse
the requests that use it instead of ignoring it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, cast

from hpc.contract.task_layout import Layout
from hpc.contract.version import OLD_IMAGES_REFUSE, VERSION, VersionMismatch, is_newer, major, parse

ON_FAILURE = ("all", "logs", "none")
"""Choices of the outputs to keep of a command that failed."""
LOG_SUFFIXES = (".log", ".out", ".err")
"""Suffixes of the files that `logs` keeps."""
WORKDIR = "--workdir"
"""Name of the input that becomes the working directory."""
FIRST = "1.0"
"""The first contract, which every image supports."""
_NOT_HASHED = ("sha256", "submitted_by", "submitted_at", "client")
"""Fields that `RunRequest.digest` leaves out."""


def _since(version: str) -> dict[str, str]:
    """Mark a field that images of older contracts ignore; a request that uses it needs this version."""
    return {"since": version}


@dataclass(frozen=True, kw_only=True)
class InputReference:
    """An input file or folder of the command; exactly one of `uri`, `object` and `tree` is set."""

    name: str
    """Name of the environment variable that holds the local path."""
    uri: str = ""
    """`s3://bucket/key`; a key that ends in `/` is a folder."""
    object: str = field(default="", metadata=_since("1.2"))
    """SHA-256 of a file in the content store."""
    tree: str = field(default="", metadata=_since("1.2"))
    """SHA-256 of a folder listing in the content store."""
    file: str = ""
    """Local file name of `object`."""
    executable: bool = False
    size: int = 0
    """Bytes; 0 if not known at submission."""
    files: int = 0
    """Number of files of a `tree`."""

    def to_json(self) -> dict[str, Any]:
        return _non_defaults(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any], name: str | None = None) -> InputReference:
        """Read a reference.

        Args:
            name: name of the input, for a cell of a tasks file: its column gives the name.

        Raises:
            ValueError: it does not have exactly one content.
        """
        reference = cls(
            name=str(raw["name"] if name is None else name),
            uri=str(raw.get("uri", "")),
            object=str(raw.get("object", "")),
            tree=str(raw.get("tree", "")),
            file=str(raw.get("file", "")),
            executable=bool(raw.get("executable")),
            size=int(raw.get("size", 0)),
            files=int(raw.get("files", 0)),
        )
        if [bool(reference.uri), bool(reference.object), bool(reference.tree)].count(True) != 1:
            raise ValueError(f"input {reference.name}: expected one of uri, object and tree, got {sorted(raw)}")
        return reference


@dataclass(frozen=True, kw_only=True)
class ListedFile:
    """A file of a folder in the content store."""

    path: str
    """Relative to the folder, separated by `/`."""
    object: str
    """SHA-256."""
    size: int
    """Bytes."""
    executable: bool


@dataclass(frozen=True, kw_only=True)
class FolderListing:
    """A folder in the content store: an object that refers to the objects of its files, like a tree in git."""

    files: tuple[ListedFile, ...]
    empty_folders: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the object's content; equal listings give equal bytes, and so share one object."""
        files = [vars(file) for file in self.files]
        return json.dumps({"files": files, "empty_folders": list(self.empty_folders)}, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, text: bytes) -> FolderListing:
        """Read a listing.

        Raises:
            ValueError, KeyError, TypeError: the text is not a listing.
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
    """A signal that the command receives before it is ended."""

    name: str
    """As in `SIGUSR1`."""
    before_s: int
    """Seconds before the time-out, and before EC2 reclaims a Spot Instance."""


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """A submitted run. In JSON, `layout` is the keys `parts`, `pack` and `only`."""

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
    """Number of rows of the tasks file that the run includes; None without a tasks file."""
    array: int | None = None
    nodes: int | None = None
    inputs: tuple[InputReference, ...] = ()
    outputs: tuple[str, ...] = ()
    """Names of the environment variables that hold the path to which the command writes each output."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    image: str | None = None
    """Image of a custom job definition, pinned by digest."""
    own_definition: str | None = None
    """Name of the custom job definition; it is derived from the definition's content."""
    slots_per_node: int | None = field(default=None, metadata=_since("1.2"))
    every_node: bool = field(default=False, metadata=_since("1.2"))
    """True if the command runs on every node, not only on the main node."""
    workdir: InputReference | None = field(default=None, metadata=_since("1.2"))
    destinations: Mapping[str, str] = field(default_factory=dict[str, str], metadata=_since("1.2"))
    """`s3://bucket/key` by name of an output that is stored outside the run."""
    patterns: tuple[str, ...] = field(default=(), metadata=_since("1.2"))
    """Glob patterns of outputs, relative to the command's working directory."""
    column_roles: tuple[str, ...] = field(default=(), metadata=_since("1.2"))
    """Roles of columns of the tasks file, such as `--setenv`."""
    on_failure: str = field(default="all", metadata=_since("1.2"))
    """One of ON_FAILURE."""
    checkpoint_minutes: int | None = field(default=None, metadata=_since("1.2"))
    signal: Signal | None = field(default=None, metadata=_since("1.2"))
    """None: SIGTERM on a Spot interruption notice."""
    timeout_s: int | None = None
    """Seconds from the start of an attempt to its time-out; set if `signal` needs it."""
    sha256: str = ""
    """`digest` of the request and of the content that it refers to; a resumed run must have the same."""
    submitted_by: str = ""
    submitted_at: str = ""
    """ISO 8601, UTC."""
    client: str = ""
    """Name and version of the client that submitted it."""

    @property
    def slots(self) -> int:
        """Default number of MPI ranks per node."""
        return self.slots_per_node or self.vcpus

    @property
    def needs(self) -> str:
        """The oldest contract whose images run this request correctly."""
        return max((FIRST, *_versions_used(self)), key=parse)

    @property
    def version(self) -> str:
        """The version that images before 1.2 check; they must refuse requests that they would run incorrectly."""
        return OLD_IMAGES_REFUSE if is_newer(self.needs, "1.1") else VERSION

    def to_json(self) -> dict[str, Any]:
        versions = {"version": self.version, "contract": VERSION, "needs": self.needs}
        values = _non_defaults(self)
        del values["layout"]
        return {**versions, **values, **self.layout.to_json()}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> RunRequest:
        """Read a request of any contract version; unknown keys are ignored.

        Raises:
            ValueError, KeyError, TypeError: it does not match the contract; the message names the key.
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
            layout=Layout.from_json(raw),
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
        """Hash the request without its submitter, its time of submission and the client's version.

        Args:
            others: JSON values that belong to the request and are not in request.json.
        """
        values = _non_defaults(self) | {"layout": [self.layout.parts, self.layout.pack, self.layout.only]}
        hashed = {key: value for key, value in values.items() if key not in _NOT_HASHED}
        return hashlib.sha256(json.dumps([hashed, *others], sort_keys=True).encode()).hexdigest()


def check_readable(raw: Mapping[str, Any]) -> None:
    """Check that this image runs a request correctly.

    Raises:
        VersionMismatch: it needs a newer contract; the message says which side to update.
        ValueError, KeyError: it states no version.
    """
    needs = raw.get("needs")
    if needs is None:  # contracts 1.0 and 1.1 had no `needs`; this image reads all of their requests
        needs = raw["version"]
        readable = major(needs) <= major(VERSION)
    else:
        readable = not is_newer(needs)
    if not readable:
        raise VersionMismatch(
            f"this run needs contract {needs}, but this image supports contracts up to {VERSION}; it was submitted by"
            f" {raw.get('client') or 'a newer hpc'}: have the platform team update the image (make push ENV=..., then"
            " cdk deploy), or submit with the hpc-batch that the image was built from"
        )


def _versions_used(item: RunRequest | InputReference) -> Iterator[str]:
    """Yield the contract that introduced each field that is set."""
    for this, _ in _set_fields(item):
        if "since" in this.metadata:
            yield this.metadata["since"]
    if isinstance(item, RunRequest):
        if item.layout.pack != 1 or item.layout.only is not None:
            yield "1.2"
        for reference in item.inputs:
            yield from _versions_used(reference)


def _non_defaults(item: RunRequest | InputReference | Signal) -> dict[str, Any]:
    """Return the fields that do not have their default value, as JSON values."""
    return {this.name: _json_value(value) for this, value in _set_fields(item)}


def _set_fields(item: RunRequest | InputReference | Signal) -> Iterator[tuple[Field[Any], Any]]:
    """Yield each field that does not have its default value, with the value."""
    for this in fields(item):
        value = getattr(item, this.name)
        if value != (this.default if this.default_factory is MISSING else this.default_factory()):
            yield this, value


def _json_value(value: Any) -> Any:
    match value:
        case InputReference() | Signal():
            return _non_defaults(value)
        case tuple():
            return [_json_value(item) for item in cast("tuple[Any, ...]", value)]
        case Mapping():
            return dict(cast("Mapping[str, str]", value))
        case _:
            return value
