"""The outputs of a run in the data bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client


@dataclass(frozen=True)
class Output:
    """An object of a run's outputs."""

    key: str
    size: int
    """Bytes."""
    etag: str = ""


def listing(s3: S3Client, bucket: str, prefix: str) -> list[Output]:
    """Return the objects below a prefix."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [
        Output(item.get("Key", ""), item.get("Size", 0), item.get("ETag", ""))
        for page in pages
        for item in page.get("Contents", [])
    ]
