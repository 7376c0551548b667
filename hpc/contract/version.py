"""The version of the contract, and which side has to be updated when two versions meet.

`major.minor`, compared as numbers: 1.10 is newer than 1.9. The minor rises with every change of layout.
"""

from __future__ import annotations

VERSION = "1.2"
OLD_IMAGES_REFUSE = "2.0"
"""Version of a request that images before contract 1.2 would run wrongly. They ignore keys that they do not know and
compare the major alone, so only a higher major makes them refuse; later images read `RunRequest.needs`."""


class VersionMismatch(ValueError):  # noqa: N818 - neither side is at fault
    """A document needs a newer contract than its reader speaks; the message says which side to update."""


def is_newer(version: str, than: str = VERSION) -> bool:
    """Compare two versions.

    Raises:
        ValueError: one of them is not `major.minor`.
    """
    return _numbers(version) > _numbers(than)


def major(version: str) -> int:
    """Return the major of a version.

    Raises:
        ValueError: it is not `major.minor`.
    """
    return _numbers(version)[0]


def _numbers(version: str) -> tuple[int, int]:
    parts = str(version).split(".")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"contract version {version!r}: expected major.minor, as in {VERSION}")
    return int(parts[0]), int(parts[1])
