"""Files in and out: inputs are fetched before the command starts, outputs sent when it has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from hpc import contract
from hpc.node.failure import Failure
from hpc.node.request import Input
from hpc.node.s3 import S3, S3Error

LARGE = 64 << 20
"""Bytes above which a file goes in parts, through boto3's transfer manager."""
THREADS = 8


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An object that was written."""

    key: str
    size: int
    """Bytes."""


def stage_in(s3: S3, inputs: Iterable[Input], folder: Path) -> dict[str, str]:
    """Fetch all inputs into the folder; return the local path of each, by its name.

    Raises:
        Failure: an input is not there or cannot be read or written.
    """
    paths: dict[str, str] = {}
    fetches: list[tuple[str, str, Path]] = []
    for item in inputs:
        bucket, key = _split(item.uri)
        target = folder / item.name
        try:
            found = _folder(s3, bucket, key, target) if key.endswith("/") else [(key, target / Path(key).name)]
            for _, path in found:
                path.parent.mkdir(parents=True, exist_ok=True)
        except (S3Error, OSError) as error:
            raise Failure(contract.EXIT_STAGE_IN, f"input {item.name}: {error}") from error
        fetches += [(bucket, path_key, path) for path_key, path in found]
        paths[item.name] = str(target if key.endswith("/") else found[0][1])
    _each(lambda fetch: _fetch(s3, *fetch), fetches, contract.EXIT_STAGE_IN, "input")
    return paths


def stage_out(s3: S3, folder: Path, bucket: str, prefix: str) -> list[Stored]:
    """Send every file under the folder; return what was stored, in the order of its keys.

    Raises:
        Failure: a file could not be sent; the others were.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stored = [Stored(key=prefix + path.relative_to(folder).as_posix(), size=path.stat().st_size) for path in files]
    sends = list(zip(files, stored, strict=True))
    _each(lambda send: _send(s3, send[0], bucket, send[1]), sends, contract.EXIT_STAGE_OUT, "output")
    return stored


def _split(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri, allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc or len(parts.path) < 2:
        raise Failure(contract.EXIT_BAD_REQUEST, f"input {uri!r}: expected s3://bucket/key or s3://bucket/folder/")
    return parts.netloc, uri.removeprefix(f"s3://{parts.netloc}/")


def _folder(s3: S3, bucket: str, prefix: str, target: Path) -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    for key, _ in s3.list(bucket, prefix):
        relative = PurePosixPath(key.removeprefix(prefix))
        if key.endswith("/"):  # the consoles' markers of empty folders
            continue
        if relative.is_absolute() or ".." in relative.parts:
            raise Failure(contract.EXIT_STAGE_IN, f"input s3://{bucket}/{key} would be written outside its folder")
        found.append((key, target / relative))
    if not found:
        raise Failure(contract.EXIT_STAGE_IN, f"input s3://{bucket}/{prefix}: there is nothing under this folder")
    return found


def _fetch(s3: S3, bucket: str, key: str, path: Path) -> None:
    if not s3.get_file(bucket, key, path, largest=LARGE):
        _transfer(s3).download_file(bucket, key, str(path))


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
