"""The progress callback of long operations."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int], None]
"""Called with the number of bytes moved since the last call, possibly by several threads."""
