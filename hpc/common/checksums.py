"""Verification of fetched objects: by the SHA-256 of the content store, else by a checksum that S3 stores.

The client or S3 chooses the checksum of an object
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html). After a multipart upload,
S3 has one of the whole object (`FULL_OBJECT`) or one made of those of N parts, which ends in `-N`. If none of them can
be computed here, the ETag is the MD5 of an object that was written in one piece and is not encrypted with a KMS key
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html).
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import Protocol

from hpc.common import crc
from hpc.common.crc import Crc

MODE = {"x-amz-checksum-mode": "ENABLED"}
"""Request header with which S3 returns the checksum of an object."""
_MD5 = re.compile(r"[0-9a-f]{32}")
_MD5_OF_PARTS = re.compile(r"[0-9a-f]{32}-[0-9]+")


class _Hash(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


def _md5() -> _Hash:
    return hashlib.md5(usedforsecurity=False)


_HASHES: dict[str, Callable[[], _Hash]] = {
    "SHA-256": hashlib.sha256,
    "SHA-512": hashlib.sha512,
    "SHA-1": hashlib.sha1,
    "MD5": _md5,
}


class Check:
    """A running checksum and its expected value; without a kind it accepts any content."""

    def __init__(self, kind: str = "", expected: str = "") -> None:
        """
        Args:
            kind: a hash, or a CRC that can be computed here.
            expected: in Base64; if empty, the checksum is computed but not compared.
        """
        self._kind, self.expected = kind, expected
        self._hash: _Hash | None = None
        if kind:
            self._hash = Crc(kind) if kind in crc.NAMES else _HASHES[kind]()

    @property
    def agrees_to_all(self) -> bool:
        return self._hash is None

    @property
    def takes_pieces(self) -> bool:
        """True if it can be combined from the checks of pieces."""
        return isinstance(self._hash, Crc) and crc.runtime() is not None

    def piece(self) -> Check:
        """Return the check for a piece, which `append` takes afterwards."""
        return Check(self._kind) if self.takes_pieces else Check()

    def append(self, piece: Check, size: int) -> None:
        """Append the check of a piece of `size` bytes; only if `takes_pieces`."""
        if isinstance(self._hash, Crc) and isinstance(piece._hash, Crc):
            self._hash.append(piece._hash.value, size)

    def update(self, data: bytes | memoryview) -> None:
        if self._hash:
            self._hash.update(data)

    def digest(self) -> bytes:
        return self._hash.digest() if self._hash else b""

    def close(self) -> None:
        """Raise HTTPException, after which the request is retried, if the content does not match."""
        if self.expected:
            actual = b64encode(self.digest()).decode()
            if actual != self.expected:
                raise HTTPException(f"the content has {self._kind} {actual}, expected {self.expected}")


def by_sha256(sha256: str) -> Check:
    """Return the check of an object of the content store."""
    return Check("SHA-256", _base64(sha256))


def by_headers(headers: Message) -> Check:
    """Return the best check for an S3 response with a whole object, or with a part of one."""
    is_part = "Content-Range" in headers
    etag = headers.get("ETag", "").strip('"')
    md5 = _base64(etag) if _MD5.fullmatch(etag) and not _is_encrypted(headers) and not is_part else ""
    if is_part and headers.get("x-amz-checksum-type") == "FULL_OBJECT":
        return Check()  # the checksum is that of the whole object
    for kind in (*_HASHES, *crc.NAMES):
        value = headers.get(f"x-amz-checksum-{kind.replace('-', '').lower()}", "")
        if value and "-" not in value and (kind in _HASHES or _worth_it(kind, md5, headers)):
            return Check(kind, value)
    return Check("MD5", md5) if md5 else Check()


def _worth_it(kind: str, md5: str, headers: Message) -> bool:
    """Return whether a CRC can be computed here, and in less time than the MD5, if there is one."""
    if md5 and kind != "CRC32" and not crc.is_loaded() and int(headers.get("Content-Length", 0)) < crc.LOAD_FROM:
        return False
    return crc.known(kind)


def parts(etag: str) -> int:
    """Return the number of parts in which an object was uploaded, from its ETag."""
    count = etag.strip('"').partition("-")[2]
    return int(count) if count.isdigit() else 1


def of_part(headers: Message) -> Check:
    """Return the check of a part; its MD5 if S3 reports none, since the object's ETag may be made of MD5s of parts."""
    check = by_headers(headers)
    return Check("MD5") if check.agrees_to_all else check


def span(headers: Message) -> tuple[int, int]:
    """Return the offset in the object at which a response begins, and its length in bytes.

    Raises:
        HTTPException: the response has no valid Content-Range.
    """
    byte_range = headers.get("Content-Range", "").removeprefix("bytes ").partition("/")[0]
    first, _, last = byte_range.partition("-")
    if not (first.isdigit() and last.isdigit()):
        raise HTTPException(f"S3 answered with the range {byte_range!r}")
    return int(first), int(last) + 1 - int(first)


def check_parts(md5s: list[bytes], headers: Message) -> None:
    """Raise HTTPException if the MD5s of an object's parts do not match its ETag."""
    etag = headers.get("ETag", "").strip('"')
    if not _is_encrypted(headers) and _MD5_OF_PARTS.fullmatch(etag):
        actual = f"{hashlib.md5(b''.join(md5s), usedforsecurity=False).hexdigest()}-{len(md5s)}"
        if actual != etag:
            raise HTTPException(f"the content has the ETag {actual}, expected {etag}")


def _is_encrypted(headers: Message) -> bool:
    """Return whether the object is encrypted in a way that makes its ETag no MD5."""
    own_key = "x-amz-server-side-encryption-customer-algorithm" in headers
    return own_key or headers.get("x-amz-server-side-encryption", "AES256") != "AES256"


def update_from(path: Path, start: int, stop: int, check: Check) -> None:
    """Feed a range of a file to a check."""
    if check.agrees_to_all:
        return
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while start < stop and (data := file.read(min(1 << 20, stop - start))):
            check.update(data)
            start += len(data)


def _base64(digits: str) -> str:
    return b64encode(bytes.fromhex(digits)).decode()
