"""Upload to the content store: each object once, verified by S3, and never a file that changed meanwhile."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc.aws.clients import error_code
from hpc.common.progress import Progress
from hpc.contract.s3_keys import object_key
from hpc.errors import HpcError
from hpc.plan.local_files import Upload
from hpc.runs.claims import put_if

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

THREADS = 16
ASK_FIRST = 256 << 10
"""Bytes from which HeadObject precedes an upload; a smaller upload takes no longer than HeadObject."""
IN_PARTS = 8 << 20
"""Bytes from which a file is uploaded in parts; smaller files are held in memory, one per thread."""
_MOST_PARTS = 10_000
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""


def send(s3: S3Client, bucket: str, project: str, uploads: Iterable[Upload], progress: Progress) -> None:
    """Upload what the store lacks: small files in parallel, large ones one by one in parallel parts.

    Raises:
        HpcError: a file has changed since the run was planned.
    """
    from concurrent.futures import ThreadPoolExecutor

    small, large = list[Upload](), list[Upload]()
    for upload in uploads:
        (large if upload.path and upload.size > IN_PARTS else small).append(upload)

    def store(upload: Upload) -> None:
        key = object_key(project, upload.sha256)
        if upload.size >= ASK_FIRST and _exists(s3, bucket, key):
            progress(upload.size)
        elif upload.path and upload.size > IN_PARTS:
            _send_parts(s3, bucket, key, upload.path, upload, progress)
        else:
            _send_whole(s3, bucket, key, upload)
            progress(upload.size)

    pool = ThreadPoolExecutor(THREADS)
    try:
        list(pool.map(store, small))
    finally:
        pool.shutdown(cancel_futures=True)
    for upload in large:
        store(upload)


def _exists(s3: S3Client, bucket: str, key: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        # S3 returns 403 for an absent key to callers that may list prefixes only
        # (https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html).
        if error_code(error) in ("404", "403"):
            return False
        raise
    return True


def _send_whole(s3: S3Client, bucket: str, key: str, upload: Upload) -> None:
    """Upload an object in one request unless it exists; S3 verifies the checksum."""
    body = upload.path.read_bytes() if upload.path else upload.body
    if hashlib.sha256(body).hexdigest() != upload.sha256:
        raise changed(upload)
    checksum = base64.b64encode(bytes.fromhex(upload.sha256)).decode()
    # None: another process has written the same content.
    put_if(s3, Bucket=bucket, Key=key, Body=body, IfNoneMatch="*", ChecksumSHA256=checksum)


def _send_parts(s3: S3Client, bucket: str, key: str, path: Path, upload: Upload, progress: Progress) -> None:
    """Upload in parts. Every part has a checksum; the last is sent only if the file has not changed."""
    from boto3.s3.transfer import TransferConfig

    part = max(IN_PARTS, -(-upload.size // _MOST_PARTS))
    config = TransferConfig(multipart_threshold=part, multipart_chunksize=part)
    with path.open("rb") as file:
        stream: Any = _Unchanged(file, upload)
        s3.upload_fileobj(stream, bucket, key, Callback=progress, Config=config)


class _Unchanged:
    """A file whose last read fails if the content is not what was planned, which aborts the upload."""

    def __init__(self, file: Any, upload: Upload) -> None:
        self._file, self._upload = file, upload
        self._sha256 = hashlib.sha256()
        self._left = upload.size

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        self._sha256.update(data)
        self._left -= len(data)
        if self._left < 0 or (self._left == 0 and self._sha256.hexdigest() != self._upload.sha256):
            raise changed(self._upload)
        if not data and self._left:
            raise changed(self._upload)
        return data


def changed(upload: Upload) -> HpcError:
    """Return the error for a file that changed during its upload."""
    return HpcError(f"{upload.path} changed while it was sent; nothing was submitted: repeat when the file is complete")
