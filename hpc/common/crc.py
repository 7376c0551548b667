"""CRCs that S3 stores with objects, computed by the AWS Common Runtime if it is installed.

S3 computes a CRC64NVME for every object that is uploaded without a checksum
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_Checksum.html); the standard library cannot compute it. The CRC of
an object can be combined from those of its pieces, so pieces can be fetched in parallel and nothing is read twice.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import ModuleType

LOAD_FROM = 32 << 20
"""Bytes from which loading the runtime (about 50 ms) takes less time than the MD5s that it saves."""
_BYTES = {"CRC64NVME": 8, "CRC32C": 4, "CRC32": 4}
NAMES = tuple(_BYTES)


class Crc:
    """A running CRC."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._compute: Callable[..., int] = zlib.crc32 if name == "CRC32" else getattr(runtime(), name.lower())
        self.value = 0

    def update(self, data: bytes | memoryview) -> None:
        self.value = self._compute(data, self.value)

    def append(self, value: int, size: int) -> None:
        """Append a piece of `size` bytes whose CRC is `value`."""
        self.value = getattr(runtime(), f"combine_{self._name.lower()}")(self.value, value, size)

    def digest(self) -> bytes:
        return self.value.to_bytes(_BYTES[self._name], "big")


@cache
def runtime() -> ModuleType | None:
    """Return the module that computes CRCs; None if it is not installed."""
    try:
        return import_module("awscrt.checksums")  # it has no types
    except ImportError:
        return None


def is_loaded() -> bool:
    return runtime.cache_info().currsize > 0


def known(name: str) -> bool:
    """Return whether this CRC can be computed here."""
    return name == "CRC32" or (name in _BYTES and runtime() is not None)
