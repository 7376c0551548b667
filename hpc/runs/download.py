"""Outputs from S3 to this machine, whole or in the parts in which they were written, each checked on arrival.

Loads modules of boto3: only commands that fetch import it.
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
"""What is cut off or damaged on the way."""

T = TypeVar("T")


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
        pool: fetches the parts of an output that was written in several.
        progress: called with the bytes of what has arrived.

    Raises:
        HpcError: the content is not what S3 has, after all attempts.
        OSError: the disk refuses.
    """
    name, count = f"s3://{bucket}/{output.key}", checksums.parts(output.etag)
    temporary = path.with_name(f".hpc-{os.urandom(8).hex()}")  # the file's own name may be as long as names may be

    def one(number: int) -> _Piece:
        piece = _repeated(name, partial(_read, s3, bucket, output, temporary, number))
        progress(piece.size)
        return piece

    def parts() -> None:
        found = list(pool.map(one, range(1, count + 1)))
        if all(piece.md5 for piece in found):
            checksums.check_parts([piece.md5 for piece in found], found[0].headers)

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
    """An object, or one part of it, that has arrived."""

    size: int
    """Bytes."""
    headers: Message
    md5: bytes
    """Of a part of which S3 tells no checksum: the ETag of the object is made of those."""


def _read(s3: S3Client, bucket: str, output: Output, path: Path, number: int) -> _Piece:
    """Write an object, which is number 0, or one part of it, to its place in a file, which it opens for itself: where
    one fails, others may still be writing."""
    request: GetObjectRequestTypeDef = {"Bucket": bucket, "Key": output.key, "ChecksumMode": "ENABLED"}
    if number:
        request["PartNumber"], request["IfMatch"] = number, output.etag
    answer = s3.get_object(**request)
    headers = Message()
    for key, value in answer["ResponseMetadata"]["HTTPHeaders"].items():
        headers[key] = value
    body = answer["Body"]
    if isinstance(body, StreamingChecksumBody):  # the SDK compares
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
    """Read what may be cut off or damaged on the way."""
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
        raise HpcError(f"s3 object {key}: its name leads out of the folder; download it by other means")
    return path
