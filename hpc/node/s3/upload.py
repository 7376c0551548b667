"""Upload of one file to S3, in one request or in concurrent parts; S3 verifies a checksum of each."""

from __future__ import annotations

import errno
import hashlib
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from hpc.node.s3.client import S3, Call, S3Error, base64, read_all

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

PART = 8 << 20
"""Bytes of a part, and so the memory of each thread."""
MOST_PARTS = 10_000
"""Parts of a multipart upload: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html."""


def send(s3: S3, path: Path, bucket: str, key: str, size: int, pool: ThreadPoolExecutor | None = None) -> None:
    """Write a file to an object, with the SHA-256 of each part, which S3 verifies and stores.

    Raises:
        S3Error: S3 refused, after all retries.
        OSError: the file cannot be read.
    """
    if size <= PART:
        s3.put(bucket, key, path.read_bytes())
    else:
        _send_parts(s3, path, bucket, key, size, pool)


def _send_parts(s3: S3, path: Path, bucket: str, key: str, size: int, pool: ThreadPoolExecutor | None) -> None:
    """Upload a file in parts (https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html)."""
    length = max(PART, -(-size // MOST_PARTS))
    algorithm = {"x-amz-checksum-algorithm": "SHA256"}
    answer = s3.call(Call("POST", bucket, key, headers=algorithm, query={"uploads": ""}), read_all)
    upload = {"uploadId": _between(answer, "UploadId")}

    def part(number: int) -> str:
        with path.open("rb", buffering=0) as file:
            body = _read(file, (number - 1) * length, min(length, size - (number - 1) * length))
        sha256 = hashlib.sha256(body).digest()
        headers = {"x-amz-checksum-sha256": (checksum := base64(sha256))}
        call = Call("PUT", bucket, key, body, headers, {"partNumber": str(number), **upload}, sha256)
        tag = s3.call(call, _etag)
        return (
            f"<Part><ChecksumSHA256>{checksum}</ChecksumSHA256><ETag>{tag}</ETag>"
            f"<PartNumber>{number}</PartNumber></Part>"
        )

    try:
        numbers = range(1, -(-size // length) + 1)
        parts = "".join(pool.map(part, numbers) if pool else map(part, numbers))
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        s3.call(Call("POST", bucket, key, body, query=upload), _completed)
    except BaseException:
        with suppress(S3Error):
            s3.call(Call("DELETE", bucket, key, query=upload), read_all)
        raise


def _read(file: FileIO, start: int, size: int) -> bytes:
    file.seek(start)
    body = bytearray()
    while len(body) < size:
        piece = file.read(size - len(body))
        if not piece:
            raise OSError(errno.EIO, f"{file.name} became shorter during the upload")
        body += piece
    return bytes(body)


def _etag(answer: HTTPResponse) -> str:
    answer.read()
    return answer.getheader("ETag") or ""


def _completed(answer: HTTPResponse) -> None:
    """Raise HTTPException if the response contains an error: S3 may send status 200 before the upload is complete
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html)."""
    text = answer.read()
    if b"<Error>" in text:
        raise HTTPException(_between(text, "Code"))


def _between(text: bytes, name: str) -> str:
    return text.partition(f"<{name}>".encode())[2].partition(f"</{name}>".encode())[0].decode()
