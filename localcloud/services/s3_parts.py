"""Checksums of single parts. When one part of an object with a composite checksum is requested, S3 returns the checksum
of the part (https://github.com/aws/aws-cli/pull/10180), ministack that of the object."""

from __future__ import annotations

import re
from typing import Any

from ministack.services import s3

CHECKSUM = "x-amz-checksum-"
OF_PARTS = re.compile(r".+-[0-9]+")


def install() -> None:
    """Wrap ministack's GetObject."""
    original = s3._get_object

    def get_object(bucket: str, key: str, headers: dict[str, str], query: dict[str, Any] | None = None) -> Any:
        status, answer, body = original(bucket, key, headers, query or {})
        if status == 206 and "partNumber" in (query or {}):
            for name, value in answer.items():
                if name.startswith(CHECKSUM) and OF_PARTS.fullmatch(value):
                    answer[name] = s3._compute_s3_checksum(name.removeprefix(CHECKSUM), body) or value
        return status, answer, body

    s3._get_object = get_object
