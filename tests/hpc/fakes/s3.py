# ruff: noqa: N803 - as boto3 has them
"""S3, as far as the runtime uses it: one bucket's objects, conditional writes, listings."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from tests.hpc.fakes.clock import Clock
from tests.hpc.fakes.refusals import refused

PAGE = 1000


@dataclass(frozen=True)
class Stored:
    body: bytes
    modified: datetime

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'


@dataclass
class S3:
    """Refuses what S3 refuses
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html)."""

    clock: Clock
    bucket: str = "data"
    may_list: bool = True
    """Without it S3 does not say that a key is absent."""
    objects: dict[str, Stored] = field(default_factory=dict[str, Stored])
    exceptions: ClassVar[Any] = SimpleNamespace(ClientError=ClientError)
    listed: list[str] = field(default_factory=list[str])
    """The prefixes that were asked for."""

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes,
        ContentType: str = "",
        IfMatch: str | None = None,
        IfNoneMatch: str | None = None,
    ) -> dict[str, Any]:
        assert Bucket == self.bucket
        assert IfNoneMatch in {None, "*"}, "PutObject takes no ETag there"
        assert not (IfMatch and IfNoneMatch), "S3 takes one condition"
        there = self.objects.get(Key)
        if IfMatch is not None and there is None:
            raise refused("NoSuchKey", "PutObject")
        if (IfNoneMatch and there) or (there and IfMatch not in {None, there.etag}):
            raise refused("PreconditionFailed", "PutObject")
        self.objects[Key] = Stored(Body, self.clock.to_the_second())
        return {"ETag": self.objects[Key].etag}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        assert Bucket == self.bucket
        there = self.objects.get(Key)
        if there is None:
            raise refused("NoSuchKey" if self.may_list else "AccessDenied", "GetObject")
        date = format_datetime(self.clock.to_the_second(), usegmt=True)
        return {
            "Body": io.BytesIO(there.body),
            "ETag": there.etag,
            "LastModified": there.modified,
            "ResponseMetadata": {"HTTPHeaders": {"date": date}},
        }

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_objects_v2"
        return SimpleNamespace(paginate=self._pages)

    def _pages(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:
        assert Bucket == self.bucket
        self.listed.append(Prefix)
        keys = sorted(key for key in self.objects if key.startswith(Prefix))
        for start in range(0, len(keys), PAGE):
            yield {"Contents": [{"Key": key} for key in keys[start : start + PAGE]]}
        if not keys:
            yield {}
