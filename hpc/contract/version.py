"""The version of the contract, `major.minor`, compared as numbers: 1.10 is newer than 1.9.

The minor increases with every change of layout.
"""

from __future__ import annotations

VERSION = "1.2"
"""Contract of this package."""
OLD_IMAGES_REFUSE = "2.0"
"""Version of a request that images before contract 1.2 would run incorrectly. They ignore unknown keys and compare
only the major, so only a higher major makes them refuse; later images read `RunRequest.needs`."""


class VersionMismatch(ValueError):  # noqa: N818 - neither side is at fault
    """A document needs a newer contract than its reader supports; the message says which side to update."""


def is_newer(version: str, than: str = VERSION) -> bool:
    """Return whether a version is newer than another.

    Raises:
        ValueError: one of them is not `major.minor`.
    """
    return parse(version) > parse(than)


def major(version: str) -> int:
    """Return the major of a version.

    Raises:
        ValueError: it is not `major.minor`.
    """
    return parse(version)[0]


def parse(version: str) -> tuple[int, int]:
    """Return major and minor of a version.

    Raises:
        ValueError: it is not `major.minor`.
    """
    parts = str(version).split(".")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"invalid contract version {version!r}: expected major.minor, as in {VERSION}")
    return int(parts[0]), int(parts[1])
