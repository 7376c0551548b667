"""Files in and out: inputs are fetched before the command starts, outputs sent when it has ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from hpc import contract
from hpc.node.failure import Failure
from hpc.node.place import Place
from hpc.node.request import Input
from hpc.node.s3 import S3, S3Error, check_room

LARGE = 64 << 20
"""Bytes above which a file goes in parts, through boto3's transfer manager."""
THREADS = 8


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An object that was written."""

    key: str
    size: int
    """Bytes."""


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """An object that becomes a file."""

    bucket: str
    key: str
    path: Path
    size: int = 0
    """Bytes, where they are known beforehand."""
    sha256: str | None = None
    """Of an object of the content store."""
    executable: bool = False


def stage_in(s3: S3, place: Place, inputs: Iterable[tuple[Input, Path]]) -> dict[str, str]:
    """Fetch inputs, each into a folder of its own; return the local path of each, by its name.

    Raises:
        Failure: an input is not there or cannot be read or written, or the disk has no room for all.
    """
    paths: dict[str, str] = {}
    fetches: list[Fetch] = []
    for item, target in inputs:
        try:
            target.mkdir(parents=True, exist_ok=True)
            found = list(_fetches(s3, place, item, target))
            for parent in {fetch.path.parent for fetch in found}:
                parent.mkdir(parents=True, exist_ok=True)
        except (S3Error, OSError) as error:
            raise Failure(contract.EXIT_STAGE_IN, f"input {item.name}: {error}") from error
        fetches += found
        is_folder = item.tree or item.uri.endswith("/")
        paths[item.name] = str(target if is_folder else found[0].path)
        if fetches:
            try:
                check_room(sum(fetch.size for fetch in fetches), target)
            except OSError as error:
                raise Failure(contract.EXIT_STAGE_IN, f"inputs: {error.strerror}") from error
    _each(lambda fetch: _fetch(s3, fetch), fetches, contract.EXIT_STAGE_IN, "input")
    return paths


def stage_out(s3: S3, bucket: str, files: Mapping[str, Path]) -> list[Stored]:
    """Send files, given by key; return what was stored, in the order of its keys.

    Raises:
        Failure: a file could not be sent; the others were.
    """
    sends = [(path, Stored(key=key, size=path.stat().st_size)) for key, path in sorted(files.items())]
    _each(lambda send: _send(s3, send[0], bucket, send[1]), sends, contract.EXIT_STAGE_OUT, "output")
    return [stored for _, stored in sends]


def _fetches(s3: S3, place: Place, item: Input, target: Path) -> Iterator[Fetch]:
    """Yield what makes up an input."""
    if item.object:
        yield _stored(place, item.object, target / Path(item.file).name, item.size, item.executable)
    elif item.tree:
        yield from _tree(s3, place, item.tree, target)
    else:
        bucket, key = _split(item.uri)
        if key.endswith("/"):
            yield from _folder(s3, bucket, key, target)
        else:
            yield Fetch(bucket=bucket, key=key, path=target / Path(key).name)


def _stored(place: Place, sha256: str, path: Path, size: int, executable: bool) -> Fetch:
    key = contract.object_key(place.project, sha256)
    return Fetch(bucket=place.bucket, key=key, path=path, size=size, sha256=sha256, executable=executable)


def _tree(s3: S3, place: Place, sha256: str, target: Path) -> Iterator[Fetch]:
    """Yield the files of a folder that was sent, and make its empty folders."""
    text = s3.get(place.bucket, contract.object_key(place.project, sha256))
    if hashlib.sha256(text).hexdigest() != sha256:
        raise Failure(contract.EXIT_STAGE_IN, f"the listing {sha256} in the content store is damaged")
    listing = json.loads(text)
    for name in listing["empty_folders"]:
        _inside(target, name).mkdir(parents=True, exist_ok=True)
    for file in listing["files"]:
        yield _stored(place, file["object"], _inside(target, file["path"]), file["size"], file["executable"])


def _inside(target: Path, name: str) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise Failure(contract.EXIT_STAGE_IN, f"input {name} would be written outside its folder")
    return target / path


def _split(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri, allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc or len(parts.path) < 2:
        raise Failure(contract.EXIT_BAD_REQUEST, f"input {uri!r}: expected s3://bucket/key or s3://bucket/folder/")
    return parts.netloc, uri.removeprefix(f"s3://{parts.netloc}/")


def _folder(s3: S3, bucket: str, prefix: str, target: Path) -> list[Fetch]:
    found = [
        Fetch(bucket=bucket, key=key, path=_inside(target, key.removeprefix(prefix)), size=size)
        for key, size in s3.list(bucket, prefix)
        if not key.endswith("/")  # the consoles' markers of empty folders
    ]
    if not found:
        raise Failure(contract.EXIT_STAGE_IN, f"input s3://{bucket}/{prefix}: there is nothing under this folder")
    return found


def _fetch(s3: S3, fetch: Fetch) -> None:
    done = s3.get_file(fetch.bucket, fetch.key, fetch.path, largest=LARGE, sha256=fetch.sha256)
    if not done:
        _transfer(s3).download_file(fetch.bucket, fetch.key, str(fetch.path))
        if fetch.sha256:
            with fetch.path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != fetch.sha256:
                raise Failure(
                    contract.EXIT_STAGE_IN, f"s3://{fetch.bucket}/{fetch.key}: the content has SHA-256 {found}"
                )
    if fetch.executable:
        fetch.path.chmod(0o755)


def _send(s3: S3, path: Path, bucket: str, stored: Stored) -> None:
    if stored.size <= LARGE:
        s3.put(bucket, stored.key, path)
    else:
        _transfer(s3).upload_file(str(path), bucket, stored.key)


def _transfer(s3: S3) -> Any:
    import boto3  # pyright: ignore[reportMissingTypeStubs]
    from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]

    config = Config(retries={"mode": "standard", "max_attempts": 6})
    return boto3.client("s3", region_name=s3.region, config=config)  # pyright: ignore[reportUnknownMemberType]


def _each(act: Callable[[Any], None], items: Sequence[Any], exit_code: int, what: str) -> None:
    """Act on all items, several at a time; fail with the first complaint after all have been tried."""

    def attempt(item: Any) -> Exception | None:
        try:
            act(item)
        except Failure:
            raise
        except Exception as error:  # boto3 raises what it likes
            return error
        return None

    if len(items) < 2:  # most tasks have one file: spare them the import
        outcomes = [attempt(item) for item in items]
    else:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(THREADS, len(items))) as pool:
            outcomes = list(pool.map(attempt, items))
    errors = [outcome for outcome in outcomes if outcome]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise Failure(exit_code, f"{what}: {errors[0]}{more}") from errors[0]
