"""Checks built from the checksums in S3's responses."""

from __future__ import annotations

import base64
import hashlib
import zlib
from email.message import Message
from http.client import HTTPException
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.common import checksums, crc

CONTENT = b"123456789"
# Check values of https://reveng.sourceforge.io/crc-catalogue/all.htm for the content above.
VALUES = {"CRC64NVME": "ae8b14860a799888", "CRC32C": "e3069283", "CRC32": "cbf43926"}


def in_base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


def headers(**given: str) -> Message:
    message = Message()
    for name, value in given.items():
        message[name.replace("_", "-")] = value
    return message


def accepts(check: checksums.Check, content: bytes) -> bool:
    check.update(content)
    try:
        check.close()
    except HTTPException:
        return False
    return True


@pytest.mark.parametrize("name", crc.NAMES)
def test_a_crc_is_the_one_of_its_name(name: str) -> None:
    given = headers(**{f"x_amz_checksum_{name.lower()}": in_base64(VALUES[name])})
    assert accepts(checksums.by_headers(given), CONTENT)
    assert not accepts(checksums.by_headers(given), b"another")


@given(name=st.sampled_from(crc.NAMES), pieces=st.lists(st.binary(max_size=50), max_size=5))
def test_a_crc_of_pieces_is_that_of_the_whole(name: str, pieces: list[bytes]) -> None:
    whole, once = checksums.Check(name), checksums.Check(name)
    for content in pieces:
        piece = whole.piece()
        piece.update(content)
        whole.append(piece, len(content))
    once.update(b"".join(pieces))
    assert whole.digest() == once.digest()


def test_a_hash_takes_no_pieces() -> None:
    assert not checksums.Check("SHA-256").takes_pieces
    assert checksums.Check("SHA-256").piece().agrees_to_all


def test_where_the_runtime_is_missing_what_the_standard_library_computes_is_taken() -> None:
    md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    with patch.object(crc, "runtime", lambda: None), patch.object(crc, "is_loaded", lambda: False):
        crc64 = {"x_amz_checksum_crc64nvme": in_base64(VALUES["CRC64NVME"])}
        assert accepts(checksums.by_headers(headers(**crc64, ETag=md5)), CONTENT)
        assert not accepts(checksums.by_headers(headers(**crc64, ETag=md5)), b"another")
        assert checksums.by_headers(headers(**crc64, ETag=md5, x_amz_server_side_encryption="aws:kms")).agrees_to_all
        crc32 = checksums.by_headers(headers(x_amz_checksum_crc32=in_base64(VALUES["CRC32"])))
        assert not crc32.takes_pieces
        assert accepts(crc32, CONTENT)


def test_an_object_that_a_key_of_kms_encrypts_is_checked_by_the_crc_that_s3_gave_it() -> None:
    given = headers(
        ETag="0" * 32,
        x_amz_server_side_encryption="aws:kms",
        x_amz_checksum_crc64nvme=in_base64(VALUES["CRC64NVME"]),
    )
    assert accepts(checksums.by_headers(given), CONTENT)
    assert not accepts(checksums.by_headers(given), b"another")


def test_the_runtime_is_not_loaded_for_a_small_object_that_has_an_md5() -> None:
    md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    given = headers(ETag=md5, x_amz_checksum_crc64nvme=in_base64(VALUES["CRC64NVME"]), Content_Length="9")
    with patch.object(crc, "is_loaded", lambda: False), patch.object(crc, "runtime", side_effect=AssertionError):
        assert accepts(checksums.by_headers(given), CONTENT)


def test_a_part_is_not_held_against_the_checksum_of_the_whole() -> None:
    value = base64.b64encode(zlib.crc32(b"the whole").to_bytes(4, "big")).decode()
    given = {"Content_Range": "bytes 0-8/99", "x_amz_checksum_crc32": value}
    assert checksums.by_headers(headers(**given, x_amz_checksum_type="FULL_OBJECT")).agrees_to_all
    assert accepts(checksums.by_headers(headers(**given, x_amz_checksum_type="COMPOSITE")), b"the whole")


@pytest.mark.parametrize(("etag", "count"), [('"%s-12"' % ("0" * 32), 12), ('"%s"' % ("0" * 32), 1), ("", 1)])
def test_the_etag_tells_the_number_of_parts(etag: str, count: int) -> None:
    assert checksums.parts(etag) == count
