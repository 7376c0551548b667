"""Bringing a run's outputs to this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from functools import partial
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from hpc.errors import HpcError
from hpc.node import checks

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import GetObjectRequestTypeDef

    from hpc.store import Progress

DOWNLOAD_THREADS = 16
ATTEMPTS = 5
CHUNK = 1 << 20

T = TypeVar("T")


@dataclass(frozen=True)
class Output:
    """An object of a run's outputs."""

    key: str
    size: int
    """Bytes."""
    etag: str = ""

    @property
    def parts(self) -> int:
        """In how many parts it was written."""
        return checks.parts(self.etag)


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

    targets = [(output, folder / _relative(output.key, prefix)) for output in outputs]
    try:
        for path in {path.parent for _, path in targets}:
            path.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(DOWNLOAD_THREADS) as pool:

            def get(target: tuple[Output, Path]) -> None:
                _get(s3, bucket, *target, pool, progress)

            list(pool.map(get, (target for target in targets if target[0].parts == 1)))
            for target in targets:
                if target[0].parts > 1:
                    get(target)
    except OSError as error:
        raise HpcError(f"{folder}: cannot be written: {error}; choose another folder with --to") from None
    return [path for _, path in targets]


def _get(s3: S3Client, bucket: str, output: Output, path: Path, pool: ThreadPoolExecutor, progress: Progress) -> None:
    """Write an object to a file in one step."""
    name = f"s3://{bucket}/{output.key}"
    temporary = path.with_name(f".hpc-{os.urandom(8).hex()}")  # the file's own name may be as long as names may be

    def part(number: int) -> _Piece:
        piece = _repeated(name, partial(_read, s3, bucket, output, temporary, number))
        progress(piece.size)
        return piece

    def parts() -> None:
        found = list(pool.map(part, range(1, output.parts + 1)))
        if all(piece.md5 for piece in found):
            checks.check_parts([piece.md5 for piece in found], found[0].headers)

    try:
        temporary.touch()
        if output.parts == 1:
            part(0)
        else:
            _repeated(name, parts)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class _Piece(NamedTuple):
    """An object, or one part of it, that has arrived."""

    size: int
    """Bytes."""
    headers: Message
    md5: bytes
    """Of a part of which S3 tells no checksum: the ETag of the object is made of those."""


def _read(s3: S3Client, bucket: str, output: Output, path: Path, number: int) -> _Piece:
    """Write an object, which is number 0, or one part of it, to its place in a file, which it opens for itself: where
    one fails, others may still be writing."""
    from botocore.httpchecksum import StreamingChecksumBody

    request: GetObjectRequestTypeDef = {"Bucket": bucket, "Key": output.key, "ChecksumMode": "ENABLED"}
    if number:
        request["PartNumber"], request["IfMatch"] = number, output.etag
    answer = s3.get_object(**request)
    headers = Message()
    for key, value in answer["ResponseMetadata"]["HTTPHeaders"].items():
        headers[key] = value
    body = answer["Body"]
    check = checks.by_headers(headers)
    if isinstance(body, StreamingChecksumBody):  # the SDK compares
        check = checks.Check()
    elif number and check.agrees_to_all:
        check = checks.Check("MD5")
    with path.open("r+b" if number else "wb") as file:
        start = file.seek(int(answer.get("ContentRange", "bytes 0-").removeprefix("bytes ").partition("-")[0]))
        while data := body.read(CHUNK):
            file.write(data)
            check.update(data)
        size = file.tell() - start
    check.close()
    return _Piece(size, headers, check.digest())


def _repeated(name: str, read: Callable[[], T]) -> T:
    """Read what may be cut off or damaged on the way."""
    from botocore.exceptions import FlexibleChecksumError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError

    for attempt in range(ATTEMPTS):
        try:
            return read()
        except (
            FlexibleChecksumError, HTTPException, IncompleteReadError, ReadTimeoutError, ResponseStreamingError,
        ) as error:  # fmt: skip
            if attempt == ATTEMPTS - 1:
                raise HpcError(f"{name}: {error}; fetch again") from None
    raise AssertionError(ATTEMPTS)


def _relative(key: str, prefix: str) -> PurePosixPath:
    path = PurePosixPath(key.removeprefix(prefix))
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise HpcError(f"s3 object {key}: its name leads out of the folder; download it by other means")
    return path
