"""Whether what was fetched is what S3 keeps: the SHA-256 of the content store, else a checksum that S3 has of it.

Objects have a checksum by the client's or S3's own choice
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html). SHA-256, SHA-1 and CRC32
can be computed with the standard library, the other CRCs cannot. Without one, the ETag is the MD5 of an object that was
written in one piece and not encrypted with a key of KMS
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html).
"""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from base64 import b64encode
from collections.abc import Callable
from email.message import Message
from http.client import HTTPException
from typing import Protocol

MODE = {"x-amz-checksum-mode": "ENABLED"}
"""The header that makes S3 tell the checksum of what it sends."""
_MD5 = re.compile(r"[0-9a-f]{32}")
_MD5_OF_PARTS = re.compile(r"[0-9a-f]{32}-[0-9]+")


class _Hash(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes | memoryview) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


def _md5() -> _Hash:
    return hashlib.md5(usedforsecurity=False)


_KINDS: dict[str, Callable[[], _Hash]] = {
    "SHA-256": hashlib.sha256,
    "SHA-1": hashlib.sha1,
    "CRC32": _Crc32,
    "MD5": _md5,
}


class Check:
    """The checksum of what is being read, beside the one that it must have; without any it agrees to all."""

    def __init__(self, kind: str = "", expected: str = "") -> None:
        """
        Args:
            kind: SHA-256, SHA-1, CRC32 or MD5.
            expected: in Base64; without it the checksum is computed and not compared.
        """
        self._kind, self.expected = kind, expected
        self._hash = _KINDS[kind]() if kind else None

    @property
    def agrees_to_all(self) -> bool:
        return self._hash is None

    def update(self, data: bytes | memoryview) -> None:
        if self._hash:
            self._hash.update(data)

    def digest(self) -> bytes:
        return self._hash.digest() if self._hash else b""

    def close(self) -> None:
        """Raise HTTPException, which a request is repeated after, if the content is another."""
        if self.expected:
            found = b64encode(self.digest()).decode()
            if found != self.expected:
                raise HTTPException(f"the content has {self._kind} {found}, expected {self.expected}")


def by_sha256(sha256: str) -> Check:
    """Return the check of an object of the content store."""
    return Check("SHA-256", _base64(sha256))


def by_headers(headers: Message) -> Check:
    """Return the check that S3's answer allows, of a whole object or of one part of it."""
    for kind, name in (("SHA-256", "sha256"), ("SHA-1", "sha1"), ("CRC32", "crc32")):
        value = headers.get(f"x-amz-checksum-{name}", "")
        if value and "-" not in value:  # with `-N` it is made of the checksums of N parts
            return Check(kind, value)
    etag = headers.get("ETag", "").strip('"')
    if _MD5.fullmatch(etag) and not _is_encrypted(headers) and "Content-Range" not in headers:
        return Check("MD5", _base64(etag))
    return Check()


def check_parts(md5s: list[bytes], headers: Message) -> None:
    """Raise HTTPException if the parts of an object, by their MD5s, are not those of its ETag."""
    etag = headers.get("ETag", "").strip('"')
    if not _is_encrypted(headers) and _MD5_OF_PARTS.fullmatch(etag):
        found = f"{hashlib.md5(b''.join(md5s), usedforsecurity=False).hexdigest()}-{len(md5s)}"
        if found != etag:
            raise HTTPException(f"the content has the ETag {found}, expected {etag}")


def _is_encrypted(headers: Message) -> bool:
    """Return whether the ETag says nothing of the content."""
    own_key = "x-amz-server-side-encryption-customer-algorithm" in headers
    return own_key or headers.get("x-amz-server-side-encryption", "AES256") != "AES256"


def by_etag(etag: str) -> Check:
    """Return the check that a listing allows, which does not tell how an object is encrypted."""
    return Check("MD5", _base64(etag)) if _MD5.fullmatch(etag) else Check()


def check_file(file: int, check: Check) -> None:
    """Raise HTTPException if the content of an open file is not what it must be."""
    update_from(file, 0, os.fstat(file).st_size, check)
    check.close()


def update_from(file: int, start: int, stop: int, check: Check) -> None:
    """Let the check see a part of an open file."""
    while start < stop and not check.agrees_to_all and (data := os.pread(file, min(1 << 20, stop - start), start)):
        check.update(data)
        start += len(data)


def _base64(digits: str) -> str:
    return b64encode(bytes.fromhex(digits)).decode()
