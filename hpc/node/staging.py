"""Staging: inputs are fetched before the command starts, outputs are stored after it has ended."""

from __future__ import annotations

import errno
import hashlib
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from hpc.common import crc
from hpc.contract import exit_codes, variables
from hpc.contract.run_request import FolderListing, InputReference
from hpc.contract.s3_keys import object_key
from hpc.contract.task_status import StoredOutput
from hpc.node.failure import Failure
from hpc.node.job_context import JobContext
from hpc.node.s3 import download, s5cmd, upload
from hpc.node.s3.client import S3, S3Error
from hpc.node.s3.download import Source

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

THREADS = 16
"""Concurrent transfers."""
MAX_ERRORS = 100
"""Failed transfers after which the remaining ones are not tried."""
_DENIED = "; the job role can read the project's prefix and its read_buckets (YAML), and write only to the prefix"

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class TransferStats:
    """Statistics of a staging phase, for the status and the log."""

    files: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        unit = next((unit for unit in (30, 20, 10) if self.bytes >= 1 << unit), 0)
        name = {30: "GiB", 20: "MiB", 10: "KiB", 0: "bytes"}[unit]
        amount = f"{self.bytes / (1 << unit):.1f}" if unit else str(self.bytes)
        return f"{self.files} file{'' if self.files == 1 else 's'}, {amount} {name} in {self.seconds:.1f} s"


def stage_in(
    s3: S3, context: JobContext, inputs: Iterable[tuple[InputReference, Path]], scratch: Path
) -> tuple[dict[str, str], TransferStats]:
    """Fetch inputs, each into its folder; return the local path of each, by name.

    Args:
        scratch: the folder that contains all of their folders.

    Raises:
        Failure: an input does not exist, cannot be read or written, or the disk has no room for all.
    """
    began = time.monotonic()
    paths: dict[str, str] = {}
    located: list[tuple[InputReference, Path, list[Source]]] = []
    for item, target in inputs:
        try:
            target.mkdir(parents=True, exist_ok=True)
            sources = list(_sources(s3, context, item, target))
            for parent in {source.path.parent for source in sources}:
                parent.mkdir(parents=True, exist_ok=True)
        except (S3Error, OSError) as error:
            given = f"{item.name}={item.uri}" if item.uri else item.name
            raise Failure(exit_codes.STAGE_IN, f"input {given}: {error}{_hint(error)}") from error
        located.append((item, target, sources))
        is_folder = item.tree or item.uri.endswith("/")
        paths[item.name] = str(target if is_folder else sources[0].path)
    if not located:
        return paths, TransferStats()
    try:
        check_room(sum(source.size for _, _, sources in located for source in sources), scratch)
    except OSError as error:
        raise Failure(exit_codes.STAGE_IN, f"inputs: {error.strerror}") from error
    remaining: list[Source] = []
    for item, target, sources in located:
        if item.tree:
            remaining += s5cmd.fetch_objects(s3, scratch, sources)
        else:
            remaining += s5cmd.fetch_folder(s3, item.uri, target, sources)
    _fetch(s3, remaining)
    files = [source for _, _, sources in located for source in sources]
    size = sum(source.size or source.path.stat().st_size for source in files)
    return paths, TransferStats(files=len(files), bytes=size, seconds=time.monotonic() - began)


def fetch_all(s3: S3, sources: Sequence[Source]) -> TransferStats:
    """Fetch objects whose sizes are known.

    Raises:
        Failure: one cannot be fetched or written.
    """
    began = time.monotonic()
    _fetch(s3, sources)
    size = sum(source.size for source in sources)
    return TransferStats(files=len(sources), bytes=size, seconds=time.monotonic() - began)


def _fetch(s3: S3, sources: Sequence[Source]) -> None:
    if sum(source.size for source in sources if not source.sha256) >= crc.LOAD_FROM:
        crc.runtime()

    def fetch(source: Source, pool: ThreadPoolExecutor | None) -> int:
        return download.fetch(s3, source, pool)

    _each(fetch, sources, lambda source: source.size, download.LARGE, exit_codes.STAGE_IN, "input")


def stage_out(
    s3: S3, bucket: str, files: Mapping[str, Path], scratch: Path
) -> tuple[list[StoredOutput], TransferStats]:
    """Store files, given by key; return the stored objects, sorted by key.

    Raises:
        Failure: a file could not be stored; the others were.
    """
    began = time.monotonic()
    sends = [(path, StoredOutput(key=key, size=path.stat().st_size)) for key, path in sorted(files.items())]
    remaining = s5cmd.send(s3, bucket, {stored.key: (path, stored.size) for path, stored in sends}, scratch)
    todo = [(path, stored) for path, stored in sends if stored.key in remaining]

    def send(item: tuple[Path, StoredOutput], pool: ThreadPoolExecutor | None) -> None:
        upload.send(s3, item[0], bucket, item[1].key, item[1].size, pool)

    _each(send, todo, lambda item: item[1].size, upload.PART, exit_codes.STAGE_OUT, "output")
    moved = TransferStats(
        files=len(sends), bytes=sum(stored.size for _, stored in sends), seconds=time.monotonic() - began
    )
    return [stored for _, stored in sends], moved


def check_room(size: int, folder: Path) -> None:
    """Raise OSError if the folder's disk has less free space than `size` bytes."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OSError(
            errno.ENOSPC,
            f"needs {size / 2**30:.2f} GiB, but {folder} has only {free / 2**30:.2f} GiB free: select another disk of"
            f" the container with --setenv {variables.ENV_SCRATCH}=FOLDER, or have the platform team raise"
            " root_volume_gib of the compute environment or set its scratch to instance-store",
        )


def _sources(s3: S3, context: JobContext, item: InputReference, target: Path) -> Iterator[Source]:
    """Yield the objects of an input."""
    if item.object:
        yield _stored(context, item.object, target / Path(item.file).name, item.size, item.executable)
    elif item.tree:
        yield from _tree(s3, context, item.tree, target)
    else:
        bucket, key = _split(item.uri)
        if key.endswith("/"):
            yield from _folder(s3, bucket, key, target)
        else:
            size, etag = _size_and_etag(s3, bucket, key)
            yield Source(bucket=bucket, key=key, path=target / Path(key).name, size=size, etag=etag)


def _stored(context: JobContext, sha256: str, path: Path, size: int, executable: bool) -> Source:
    key = object_key(context.project, sha256)
    return Source(bucket=context.bucket, key=key, path=path, size=size, sha256=sha256, executable=executable)


def _tree(s3: S3, context: JobContext, sha256: str, target: Path) -> Iterator[Source]:
    """Yield the files of a folder in the content store, and create its empty folders."""
    key = object_key(context.project, sha256)
    text = s3.get(context.bucket, key)
    if hashlib.sha256(text).hexdigest() != sha256:
        raise Failure(
            exit_codes.STAGE_IN,
            f"the folder listing s3://{context.bucket}/{key} is damaged: its SHA-256 is not its name; have the platform"
            " team delete it, then submit again",
        )
    listing = FolderListing.from_bytes(text)
    for name in listing.empty_folders:
        _inside(target, name).mkdir(parents=True, exist_ok=True)
    for file in listing.files:
        yield _stored(context, file.object, _inside(target, file.path), file.size, file.executable)


def _inside(target: Path, name: str) -> Path:
    if name.startswith("/") or ".." in name.split("/"):
        raise Failure(exit_codes.STAGE_IN, f"input {name} would be written outside its folder; rename the object")
    return target / name


def _split(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri, allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc or len(parts.path) < 2:
        raise Failure(exit_codes.BAD_REQUEST, f"input {uri!r}: expected s3://bucket/key or s3://bucket/folder/")
    return parts.netloc, uri.removeprefix(f"s3://{parts.netloc}/")


def _size_and_etag(s3: S3, bucket: str, key: str) -> tuple[int, str]:
    """Return size and ETag of an object; 0 and empty if the job role may fetch but not list it."""
    try:
        for listed in s3.list(bucket, key, most=1):
            if listed.key == key:
                return listed.size, listed.etag
            break
    except S3Error as error:
        if error.status != 403:
            raise
    return 0, ""


def _folder(s3: S3, bucket: str, prefix: str, target: Path) -> list[Source]:
    sources = [
        Source(bucket=bucket, key=key, path=_inside(target, key.removeprefix(prefix)), size=size, etag=etag)
        for key, size, etag in s3.list(bucket, prefix)
        if not key.endswith("/")  # markers of empty folders, written by the S3 console
    ]
    if not sources:
        raise Failure(exit_codes.STAGE_IN, f"input s3://{bucket}/{prefix}: no objects under this prefix")
    return sources


def _each(
    act: Callable[[T, ThreadPoolExecutor | None], object],
    items: Sequence[T],
    size: Callable[[T], int],
    most: int,
    exit_code: int,
    what: str,
) -> None:
    """Act on all items: those of at most `most` bytes concurrently, larger ones one after the other, each in parts.

    Fails with the first error, after all items have been tried or MAX_ERRORS have failed.
    """
    if not items:
        return
    if len(items) == 1 and size(items[0]) <= most:  # most tasks have one file: avoid the import
        try:
            act(items[0], None)
        except (S3Error, OSError) as error:
            raise Failure(exit_code, f"{what}: {error}{_hint(error)}") from error
        return
    from concurrent.futures import ThreadPoolExecutor

    errors: list[Exception] = []

    def attempt(number: int, pool: ThreadPoolExecutor | None = None) -> None:
        if len(errors) < MAX_ERRORS:
            try:
                act(items[number], pool)
            except (S3Error, OSError) as error:
                errors.append(error)

    large = [number for number, item in enumerate(items) if size(item) > most]
    small = sorted({*range(len(items))} - {*large})
    with ThreadPoolExecutor(min(THREADS, 1 + len(small)) if not large else THREADS) as pool:
        list(pool.map(attempt, small))
        for number in large:
            attempt(number, pool)
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise Failure(exit_code, f"{what}: {errors[0]}{_hint(errors[0])}{more}") from errors[0]


def _hint(error: Exception) -> str:
    return _DENIED if isinstance(error, S3Error) and error.status == 403 else ""
