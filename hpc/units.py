"""Memory sizes and durations as users write them: `4GiB`, `2h`."""

from __future__ import annotations

import re
from datetime import timedelta

_MEMORY = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>MiB|GiB|TiB|M|G|T|MB|GB|TB)?", re.IGNORECASE)
_MIB = {"m": 1, "g": 1024, "t": 1024 * 1024}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_memory_mib(text: str) -> int:
    """Parse a memory size; a bare number is MiB, as in AWS Batch. `MB` and `GB` mean the binary units.

    Raises:
        ValueError: the text is not a memory size.
    """
    match = _MEMORY.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a memory size; write 512MiB, 4GiB or 1.5TiB")
    unit = (match["unit"] or "m")[0].lower()
    return int(float(match["number"]) * _MIB[unit])


def parse_duration_s(text: str) -> int:
    """Parse a duration such as `90s`, `30m`, `2h`, `1h30m` or `7d`; a bare number is seconds.

    Raises:
        ValueError: the text is not a duration.
    """
    text = text.strip().lower()
    if text.isascii() and text.isdigit():
        return int(text)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration; write 90s, 30m, 2h, 1h30m or 7d")
    return int(sum(float(number) * _SECONDS[unit] for number, unit in parts))


def show_mib(mib: int) -> str:
    """Format a memory size: `768 MiB`, `4 GiB`, `176.6 GiB`."""
    if mib < 1024:
        return f"{mib} MiB"
    return f"{mib / 1024:.1f}".removesuffix(".0") + " GiB"


def show_seconds(seconds: float) -> str:
    """Format a duration: `0.8s`, `45s`, `2m 05s`, `3h 12m`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    if seconds < 60:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{timedelta(hours=hours).days}d {hours % 24}h" if hours >= 48 else f"{hours}h {minutes:02d}m"
