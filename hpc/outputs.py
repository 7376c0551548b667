"""Bringing a run's outputs to this machine."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hpc.errors import HpcError

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

DOWNLOAD_THREADS = 16
ATTEMPTS = 5
CHUNK = 1 << 20


@dataclass(frozen=True)
class Output:
    """An object of a run's outputs."""

    key: str
    size: int
    """Bytes."""


def listing(s3: S3Client, bucket: str, prefix: str) -> list[Output]:
    """Return the objects below a prefix."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [Output(item.get("Key", ""), item.get("Size", 0)) for page in pages for item in page.get("Contents", [])]


def fetch(s3: S3Client, bucket: str, prefix: str, outputs: list[Output], folder: Path) -> list[Path]:
    """Download the outputs below `prefix` into `folder`, keeping their relative names; return the files.

    What arrives is compared with the checksum that S3 has of it: by the SDK as it is read, where it is one of a whole
    object and one that Python can compute.

    Raises:
        HpcError: a name would lead out of the folder, the content is not what S3 has, or the disk refuses.
    """
    from concurrent.futures import ThreadPoolExecutor

    targets = [(output.key, folder / _relative(output.key, prefix)) for output in outputs]

    def get(target: tuple[str, Path]) -> Path:
        key, path = target
        path.parent.mkdir(parents=True, exist_ok=True)
        _get(s3, bucket, key, path)
        return path

    try:
        with ThreadPoolExecutor(DOWNLOAD_THREADS) as pool:
            return list(pool.map(get, targets))
    except OSError as error:
        raise HpcError(f"{folder}: cannot be written: {error}; choose another folder with --to") from None


def _get(s3: S3Client, bucket: str, key: str, path: Path) -> None:
    """Write an object to a file in one step; what was cut off or damaged is fetched again."""
    from botocore.exceptions import FlexibleChecksumError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError

    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        for attempt in range(ATTEMPTS):
            try:
                body = s3.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")["Body"]
                with part.open("wb") as file:
                    shutil.copyfileobj(body, file, CHUNK)
            except (FlexibleChecksumError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError) as error:
                if attempt == ATTEMPTS - 1:
                    raise HpcError(f"s3://{bucket}/{key}: {error}; fetch again") from None
            else:
                part.replace(path)
                return
    finally:
        part.unlink(missing_ok=True)


def _relative(key: str, prefix: str) -> PurePosixPath:
    path = PurePosixPath(key.removeprefix(prefix))
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise HpcError(f"s3 object {key}: its name leads out of the folder; download it by other means")
    return path
