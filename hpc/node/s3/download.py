"""Download of one file from S3, in one request or in concurrent pieces, with verification."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hpc.common import checksums
from hpc.node.s3.client import S3, Call, S3Error

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

RANGES = 32
"""Ranges in which a large file is fetched, twice the number of threads, within the limits of RANGE_BYTES."""
RANGE_BYTES = (8 << 20, 32 << 20)
"""Minimum and maximum bytes of a range."""
LARGE = 64 << 20
"""Bytes above which a file is fetched in pieces."""
CHUNK = (64 << 10, 1 << 20)
"""Minimum and maximum bytes of a thread's buffer. In between it is a quarter of the response, since memory that is used
only once costs the kernel as much as the bytes that it moves."""
WHOLE_ATTEMPTS = 3
"""Downloads of a large object whose pieces are each intact but do not add up to the object's checksum."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """An object to download and the path of its file."""

    bucket: str
    key: str
    path: Path
    size: int = 0
    """Bytes; 0 if unknown."""
    sha256: str | None = None
    """SHA-256 of an object in the content store."""
    etag: str = ""
    """ETag from a listing."""
    executable: bool = False

    @property
    def name(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def fetch(s3: S3, source: Source, pool: ThreadPoolExecutor | None = None) -> int:
    """Write an object to a file atomically, since another node on this machine may be reading it; return its size.

    Args:
        pool: fetches the pieces of a large object; without it, the object is fetched in one request.

    Raises:
        S3Error: S3 refused or the content is damaged, after all retries; or the disk refused.
    """
    part = source.path.with_name(f".hpc-{os.urandom(8).hex()}")  # the file's name may have the maximum length already
    try:
        with part.open("wb", buffering=0) as file:  # a disk error is reported before any request
            if pool and source.size > LARGE:
                size = _fetch_pieces(s3, source, part, pool)
            else:
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
        check = checksums.by_sha256(source.sha256) if source.sha256 else checksums.by_headers(answer.headers)
        length = answer.getheader("Content-Length")
        os.ftruncate(file, 0)
        return _copy(answer, file, 0, None if length is None else int(length), check)

    return s3.call(Call("GET", source.bucket, source.key, headers=checksums.MODE), read)


def _fetch_pieces(s3: S3, source: Source, path: Path, pool: ThreadPoolExecutor) -> int:
    """Fetch an object in the parts in which it was uploaded, each with a checksum, or in ranges if S3 has a checksum of
    the whole object or none.

    Each piece opens the file separately: if one fails, others may still be writing.
    """
    look = Call("HEAD", source.bucket, source.key, headers=checksums.MODE)
    headers = s3.call(look, lambda answer: answer.headers)
    size, count = int(headers.get("Content-Length") or source.size), checksums.parts(headers.get("ETag", ""))
    in_parts = checksums.by_headers(headers).agrees_to_all and count > 1 and size // count >= CHUNK[1]
    same = {"If-Match": headers.get("ETag", "")}
    if in_parts:
        parts = ({"partNumber": str(number)} for number in range(1, count + 1))
        calls = [replace(look, method="GET", headers={**checksums.MODE, **same}, query=part) for part in parts]
    else:
        least, most = RANGE_BYTES
        length = min(most, max(least, size // RANGES))
        ranges = (f"bytes={start}-{start + length - 1}" for start in range(0, size, length))
        calls = [replace(look, method="GET", headers={**same, "Range": span}) for span in ranges]
    os.truncate(path, size)
    for attempt in range(WHOLE_ATTEMPTS):
        whole = checksums.by_sha256(source.sha256) if source.sha256 else checksums.by_headers(headers)
        fetch_piece = partial(_fetch_piece, s3, path, None if in_parts else whole)
        md5s: list[bytes] = []
        for piece in pool.map(fetch_piece, calls):  # the next pieces arrive meanwhile
            if whole.takes_pieces:
                whole.append(piece.check, piece.stop - piece.start)
            else:
                checksums.update_from(path, piece.start, piece.stop, whole)
            if in_parts and not piece.check.expected:
                md5s.append(piece.check.digest())
        try:
            whole.close()
            if md5s and not source.sha256:
                checksums.check_parts(md5s, headers)
        except HTTPException as error:
            if attempt == WHOLE_ATTEMPTS - 1:
                raise S3Error(source.name, 0, str(error)) from error
        else:
            break
    return size


class _Piece(NamedTuple):
    """A range of an object that was fetched."""

    start: int
    stop: int
    check: checksums.Check


def _fetch_piece(s3: S3, path: Path, whole: checksums.Check | None, call: Call) -> _Piece:
    """Fetch a range, for a check of the whole object, or a part with a separate check."""

    def read(answer: HTTPResponse) -> _Piece:
        check = whole.piece() if whole else checksums.of_part(answer.headers)
        start, length = checksums.span(answer.headers)
        with path.open("r+b", buffering=0) as file:
            _copy(answer, file.fileno(), start, length, check)
        return _Piece(start, start + length, check)

    return s3.call(call, read)


def _copy(answer: HTTPResponse, file: int, start: int, size: int | None, check: checksums.Check) -> int:
    """Write a response body to a file; return its size. Without `size`, the body ends as HTTP determines."""
    least, most = CHUNK
    buffer = memoryview(bytearray(most if size is None else min(most, max(least, size // 4))))
    at = start
    while count := answer.readinto(buffer):
        _write(file, buffer[:count], at)
        check.update(buffer[:count])
        at += count
    if size is not None and at - start != size:
        raise IncompleteRead(b"", start + size - at)
    check.close()
    return at - start


def _write(file: int, data: memoryview, at: int) -> None:
    """Write all data: a disk that becomes full accepts part of it, and fails only at the next write."""
    while data:
        count = os.pwrite(file, data, at)
        data, at = data[count:], at + count
