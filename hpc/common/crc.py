"""The CRCs that S3 keeps of objects, computed by AWS's Common Runtime where it is installed.

S3 gives every object that comes without a checksum a CRC64NVME
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_Checksum.html), which the standard library cannot compute. A CRC
of a whole can be put together from those of its pieces, so pieces may arrive side by side and nothing is read twice.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import ModuleType

LOAD_FROM = 32 << 20
"""Bytes from which loading the runtime (some 50 ms) takes less time than the MD5s that it spares."""
_BYTES = {"CRC64NVME": 8, "CRC32C": 4, "CRC32": 4}
NAMES = tuple(_BYTES)


class Crc:
    """A CRC that is being computed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._compute: Callable[..., int] = zlib.crc32 if name == "CRC32" else getattr(runtime(), name.lower())
        self.value = 0

    def update(self, data: bytes | memoryview) -> None:
        self.value = self._compute(data, self.value)

    def append(self, value: int, size: int) -> None:
        """Go on with a piece of `size` bytes whose own CRC is `value`."""
        self.value = getattr(runtime(), f"combine_{self._name.lower()}")(self.value, value, size)

    def digest(self) -> bytes:
        return self.value.to_bytes(_BYTES[self._name], "big")


@cache
def runtime() -> ModuleType | None:
    """Return the module that computes CRCs, None where it is not installed."""
    try:
        return import_module("awscrt.checksums")  # it has no types
    except ImportError:
        return None


def is_loaded() -> bool:
    return runtime.cache_info().currsize > 0


def known(name: str) -> bool:
    """Return whether this CRC can be computed here."""
    return name == "CRC32" or (name in _BYTES and runtime() is not None)
