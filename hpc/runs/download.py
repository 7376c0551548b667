"""Download of outputs from S3, whole or in the parts in which they were uploaded, each verified by checksum.

It imports boto3; only commands that fetch import it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from functools import partial
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from botocore.exceptions import FlexibleChecksumError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError
from botocore.httpchecksum import StreamingChecksumBody

from hpc.common import checksums
from hpc.common.progress import Progress
from hpc.errors import HpcError
from hpc.runs.outputs import Output

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import GetObjectRequestTypeDef

DOWNLOAD_THREADS = 16
ATTEMPTS = 5
CHUNK = 1 << 20
_FAULTS = (FlexibleChecksumError, HTTPException, IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
"""Errors of transfers that were cut off or damaged."""

T = TypeVar("T")


def fetch(
    s3: S3Client, bucket: str, prefix: str, outputs: list[Output], folder: Path, progress: Progress
) -> list[Path]:
    """Download the outputs below `prefix` into `folder`, keeping their relative names; return the files.

    Content is verified against the checksums that S3 stores, those of the parts for a multipart upload; parts are
    downloaded in parallel.

    Args:
        progress: called with the number of bytes received.

    Raises:
        HpcError: a name leads out of the folder, a checksum differs, or the disk cannot be written.
    """
    targets = [(output, folder / _relative(output.key, prefix)) for output in outputs]
    whole = [target for target in targets if checksums.parts(target[0].etag) == 1]
    in_parts = [target for target in targets if checksums.parts(target[0].etag) > 1]
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


def download(
    s3: S3Client, bucket: str, output: Output, path: Path, pool: ThreadPoolExecutor, progress: Progress
) -> None:
    """Write an object to a file in one step.

    Args:
        pool: downloads the parts of a multipart upload.
        progress: called with the number of bytes received.

    Raises:
        HpcError: a checksum differs after all attempts.
        OSError: the disk cannot be written.
    """
    name, count = f"s3://{bucket}/{output.key}", checksums.parts(output.etag)
    temporary = path.with_name(
        f".hpc-{os.urandom(8).hex()}"
    )  # the name of the file may already have the maximum length

    def one(number: int) -> _Piece:
        piece = _repeated(name, partial(_read, s3, bucket, output, temporary, number))
        progress(piece.size)
        return piece

    def parts() -> None:
        pieces = list(pool.map(one, range(1, count + 1)))
        if all(piece.md5 for piece in pieces):
            checksums.check_parts([piece.md5 for piece in pieces], pieces[0].headers)

    try:
        temporary.touch()
        if count == 1:
            one(0)
        else:
            _repeated(name, parts)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class _Piece(NamedTuple):
    """A downloaded object, or one part of it."""

    size: int
    """Bytes."""
    headers: Message
    md5: bytes
    """Of a part without checksum in S3: the object's ETag is computed from those."""


def _read(s3: S3Client, bucket: str, output: Output, path: Path, number: int) -> _Piece:
    """Write an object, which is number 0, or one part of it, to its offset in a file. It opens the file itself, since
    other parts may still be writing when one fails."""
    request: GetObjectRequestTypeDef = {"Bucket": bucket, "Key": output.key, "ChecksumMode": "ENABLED"}
    if number:
        request["PartNumber"], request["IfMatch"] = number, output.etag
    answer = s3.get_object(**request)
    headers = Message()
    for key, value in answer["ResponseMetadata"]["HTTPHeaders"].items():
        headers[key] = value
    body = answer["Body"]
    if isinstance(body, StreamingChecksumBody):  # the SDK verifies it
        check = checksums.Check()
    else:
        check = checksums.of_part(headers) if number else checksums.by_headers(headers)
    start = checksums.span(headers)[0] if number else 0
    with path.open("r+b" if number else "wb") as file:
        file.seek(start)
        while data := body.read(CHUNK):
            file.write(data)
            check.update(data)
        size = file.tell() - start
    check.close()
    return _Piece(size, headers, check.digest())


def _repeated(name: str, read: Callable[[], T]) -> T:
    """Repeat a transfer that was cut off or damaged."""
    attempts = 0
    while True:
        try:
            return read()
        except _FAULTS as error:
            attempts += 1
            if attempts == ATTEMPTS:
                raise HpcError(f"{name}: {error}; fetch again") from None


def _relative(key: str, prefix: str) -> PurePosixPath:
    path = PurePosixPath(key.removeprefix(prefix))
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise HpcError(f"S3 object {key}: its name leads out of the folder; download it with another tool")
    return path
