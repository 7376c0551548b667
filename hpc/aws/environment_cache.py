"""A cache of the published environment on this machine, valid for a minute, for commands that submit nothing.

A submission reads the environment from AWS, and so does a plan that was refused on the basis of a cached one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from hpc.common.state_folder import state_folder

MAX_AGE_S = 60
_SECRET = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@dataclass(frozen=True)
class EnvironmentCache:
    """The cache file of one environment and one set of credentials."""

    path: Path

    @classmethod
    def of(cls, *asked: str | None) -> EnvironmentCache:
        """Return the file for an environment, a profile, a Region and the AWS variables of this process."""
        variables = sorted(item for item in os.environ.items() if item[0].startswith("AWS_") and item[0] not in _SECRET)
        name = hashlib.sha256(json.dumps([asked, variables]).encode()).hexdigest()[:32]
        return cls(state_folder() / ".published" / f"{name}.json")

    def load(self) -> tuple[str, dict[str, str]] | None:
        """Return name and parameters of the environment, None if they are not cached or too old."""
        try:
            if not 0 <= time.time() - self.path.stat().st_mtime < MAX_AGE_S:
                return None
            name, items = json.loads(self.path.read_text())
        except (OSError, ValueError, TypeError):
            return None
        return name, items

    def save(self, name: str, items: dict[str, str]) -> None:
        """Write them; an error of the file system is ignored."""
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            scratch = self.path.with_suffix(f".{os.getpid()}")
            scratch.write_text(json.dumps([name, items]))
            scratch.replace(self.path)

    def forget(self) -> None:
        """Delete the file."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
