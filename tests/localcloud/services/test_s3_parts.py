"""Checksums of object parts, as S3 returns them."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PARTS = [b"x" * (5 << 20), b"y" * 1000]


def sha256(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def test_a_part_is_told_with_its_own_checksum_and_the_object_with_one_of_its_parts(world: Any) -> None:
    s3 = world.client("s3")
    s3.create_bucket(Bucket="of-parts")
    place = {"Bucket": "of-parts", "Key": "a"}
    upload = place | {"UploadId": s3.create_multipart_upload(**place, ChecksumAlgorithm="SHA256")["UploadId"]}
    sent = []
    for number, part in enumerate(PARTS, 1):
        answer = s3.upload_part(**upload, PartNumber=number, Body=part, ChecksumSHA256=sha256(part))
        sent.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": sha256(part)})
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": sent})
    for number, part in enumerate(PARTS, 1):
        answer = s3.get_object(**place, PartNumber=number, ChecksumMode="ENABLED")
        assert (answer["ChecksumSHA256"], answer["ChecksumType"]) == (sha256(part), "COMPOSITE")
        assert answer["Body"].read() == part
    of_all = s3.get_object(**place, ChecksumMode="ENABLED")["ChecksumSHA256"]
    assert of_all == s3.head_object(**place, ChecksumMode="ENABLED")["ChecksumSHA256"]
    assert of_all.endswith("-2")
