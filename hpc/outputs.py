"""Bringing a run's outputs to this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hpc.errors import HpcError

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

    from hpc.store import Progress

DOWNLOAD_THREADS = 16


@dataclass(frozen=True)
class Output:
    """An object of a run's outputs."""

    key: str
    size: int
    """Bytes."""
    etag: str = ""


def listing(s3: S3Client, bucket: str, prefix: str) -> list[Output]:
    """Return the objects below a prefix."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [
        Output(item.get("Key", ""), item.get("Size", 0), item.get("ETag", ""))
        for page in pages
        for item in page.get("Contents", [])
    ]


def fetch(
    s3: S3Client, bucket: str, prefix: str, outputs: list[Output], folder: Path, progress: Progress
) -> list[Path]:
    """Download the outputs below `prefix` into `folder`, keeping their relative names; return the files.

    What arrives is compared with the checksums that S3 has of it, those of its parts where it was written in parts;
    these come side by side.

    Args:
        progress: called with the bytes of what has arrived.

    Raises:
        HpcError: a name would lead out of the folder, the content is not what S3 has, or the disk refuses.
    """
    from concurrent.futures import ThreadPoolExecutor

    # These load modules of boto3: whoever fetches nothing need not wait for them.
    from hpc.download import download
    from hpc.node import checks

    targets = [(output, folder / _relative(output.key, prefix)) for output in outputs]
    whole = [target for target in targets if checks.parts(target[0].etag) == 1]
    in_parts = [target for target in targets if checks.parts(target[0].etag) > 1]
    try:
        for path in {path.parent for _, path in targets}:
            path.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(DOWNLOAD_THREADS) as pool:

            def get(target: tuple[Output, Path]) -> None:
                download(s3, bucket, *target, pool, progress)

            list(pool.map(get, whole))
            for target in in_parts:
                get(target)
    except OSError as error:
        raise HpcError(f"{folder}: cannot be written: {error}; choose another folder with --to") from None
    return [path for _, path in targets]


def _relative(key: str, prefix: str) -> PurePosixPath:
    path = PurePosixPath(key.removeprefix(prefix))
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise HpcError(f"s3 object {key}: its name leads out of the folder; download it by other means")
    return path
