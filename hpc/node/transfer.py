"""One file from or to S3, in one request or in parts side by side, checked on the way and at the end."""

from __future__ import annotations

import errno
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from http.client import HTTPException, HTTPResponse, IncompleteRead
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from hpc.node import checks
from hpc.node.s3 import S3, Call, S3Error, base64_sha256, read_all

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

PART = 8 << 20
"""Bytes of a part, and of what a thread holds in memory at most."""
LARGE = 64 << 20
"""Bytes from which a file is fetched in parts."""
MOST_PARTS = 10_000
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""
CHUNK = 1 << 20
WHOLE_ATTEMPTS = 3
"""So often a large object is fetched whose parts are each what was sent, and together are not what S3 has."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """An object that becomes a file."""

    bucket: str
    key: str
    path: Path
    size: int = 0
    """Bytes, where they are known beforehand."""
    sha256: str | None = None
    """Of an object of the content store."""
    etag: str = ""
    """As a listing tells it."""
    executable: bool = False

    @property
    def name(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def fetch(s3: S3, source: Source, pool: ThreadPoolExecutor | None = None) -> int:
    """Write an object to a file, in one step: another node of this machine may be reading it. Return its bytes.

    Args:
        pool: fetches the parts of a large object; without it there are none.

    Raises:
        S3Error: S3 refused, or what came is not what S3 has, after all retries; or the disk refused.
    """
    part = source.path.with_name(f".{source.path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with part.open("wb", buffering=0) as file:
            size = None
            if pool and source.size > LARGE:
                size = _fetch_parts(s3, source, file.fileno(), pool)
            if size is None:
                size = _fetch_whole(s3, source, file.fileno())
        if source.executable:
            part.chmod(0o755)
        part.replace(source.path)
    except OSError as error:
        raise S3Error(f"{source.name} to {source.path}", 0, error.strerror or str(error)) from error
    finally:
        part.unlink(missing_ok=True)
    return size


def _fetch_whole(s3: S3, source: Source, file: int) -> int:
    def read(answer: HTTPResponse) -> int:
        check = checks.by_sha256(source.sha256) if source.sha256 else checks.by_headers(answer.headers)
        length = answer.getheader("Content-Length")
        os.ftruncate(file, 0)
        return _copy(answer, file, 0, None if length is None else int(length), check)

    return s3.call(Call("GET", source.bucket, source.key, headers=checks.MODE), read)


def _fetch_parts(s3: S3, source: Source, file: int, pool: ThreadPoolExecutor) -> int | None:
    """Fetch an object in the parts in which it was written, each with its own checksum, else in ranges, and check the
    whole; return None where the server does neither."""
    first = Call("GET", source.bucket, source.key, headers=checks.MODE, query={"partNumber": "1"})
    count, size, headers = s3.call(first, lambda answer: (_parts_count(answer), _total(answer), answer.headers))
    s3.disconnect(source.bucket)  # instead of reading the part
    if not size:
        return None
    os.truncate(file, size)
    if in_parts := count > 1 and size // count >= CHUNK:
        calls = [replace(first, query={"partNumber": str(number)}) for number in range(1, count + 1)]
    else:
        same = {"If-Match": headers.get("ETag", "")}
        ranges = (f"bytes={start}-{start + PART - 1}" for start in range(0, size, PART))
        calls = [replace(first, query={}, headers={**same, "Range": span}) for span in ranges]
        del headers["Content-Range"]  # so far of what might have been one part of several
    md5s: dict[int, bytes] = {}

    def fetch_part(call: Call) -> int:
        """Return where the part ends."""

        def read(answer: HTTPResponse) -> int:
            check = checks.by_headers(answer.headers) if in_parts else checks.Check()
            if in_parts and check.agrees_to_all:
                check = checks.Check("MD5")
            start, length = _range(answer)
            _copy(answer, file, start, length, check)
            if in_parts and not check.expected:
                md5s[start] = check.digest()
            return start + length

        return s3.call(call, read)

    for attempt in range(WHOLE_ATTEMPTS):
        whole = checks.by_sha256(source.sha256) if source.sha256 else checks.Check()
        if not source.sha256 and not in_parts:
            whole = checks.by_headers(headers)
        at = 0
        for stop in pool.map(fetch_part, calls):  # while the next ones come
            checks.update_from(file, at, stop, whole)
            at = stop
        try:
            whole.close()
            if md5s and not source.sha256:
                checks.check_parts([md5s[start] for start in sorted(md5s)], headers)
        except HTTPException as error:
            if attempt == WHOLE_ATTEMPTS - 1:
                raise S3Error(source.name, 0, str(error)) from error
        else:
            break
    return size


def _copy(answer: HTTPResponse, file: int, start: int, size: int | None, check: checks.Check) -> int:
    """Write a body; return its bytes. Without a size, it ends where HTTP says."""
    buffer = memoryview(bytearray(CHUNK if size is None else min(CHUNK, size) or 1))
    at = start
    while count := answer.readinto(buffer):
        os.pwrite(file, buffer[:count], at)
        check.update(buffer[:count])
        at += count
    if size is not None and at - start != size:
        raise IncompleteRead(b"", start + size - at)
    check.close()
    return at - start


def _parts_count(answer: HTTPResponse) -> int:
    return int(answer.getheader("x-amz-mp-parts-count") or 1)


def _total(answer: HTTPResponse) -> int:
    return int((answer.getheader("Content-Range") or "/0").rpartition("/")[2])


def _range(answer: HTTPResponse) -> tuple[int, int]:
    """Return where in the object the answer begins, and its bytes."""
    span = (answer.getheader("Content-Range") or "").removeprefix("bytes ").partition("/")[0]
    first, _, last = span.partition("-")
    if not (first.isdigit() and last.isdigit()):
        raise HTTPException(f"S3 answered with the range {span!r}")
    return int(first), int(last) + 1 - int(first)


# ------------------------------------------------------------------------------------------------------------ sending


def send(s3: S3, path: Path, bucket: str, key: str, size: int, pool: ThreadPoolExecutor | None = None) -> None:
    """Write a file to an object; S3 compares the SHA-256 of each part with what arrives, and keeps it.

    Raises:
        S3Error: S3 refused, after all retries.
        OSError: the file cannot be read.
    """
    if size <= PART:
        s3.put(bucket, key, path.read_bytes())
    else:
        _send_parts(s3, path, bucket, key, size, pool)


def _send_parts(s3: S3, path: Path, bucket: str, key: str, size: int, pool: ThreadPoolExecutor | None) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html"""
    length = max(PART, -(-size // MOST_PARTS))
    algorithm = {"x-amz-checksum-algorithm": "SHA256"}
    answer = s3.call(Call("POST", bucket, key, headers=algorithm, query={"uploads": ""}), read_all)
    upload = {"uploadId": _between(answer, "UploadId")}

    def part(number: int) -> str:
        with path.open("rb", buffering=0) as file:
            body = _read(file, (number - 1) * length, min(length, size - (number - 1) * length))
        checksum = base64_sha256(body)
        headers = {"x-amz-checksum-sha256": checksum}
        call = Call("PUT", bucket, key, body, headers, {"partNumber": str(number), **upload})
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
            raise OSError(errno.EIO, f"{file.name} became shorter while it was sent")
        body += piece
    return bytes(body)


def _etag(answer: HTTPResponse) -> str:
    answer.read()
    return answer.getheader("ETag") or ""


def _completed(answer: HTTPResponse) -> None:
    """S3 may begin its answer before it knows how the upload ends
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html)."""
    text = answer.read()
    if b"<Error>" in text:
        raise HTTPException(_between(text, "Code"))


def _between(text: bytes, name: str) -> str:
    return text.partition(f"<{name}>".encode())[2].partition(f"</{name}>".encode())[0].decode()
