"""The folder for state that is kept on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def state_folder() -> Path:
    """Return the state folder: `$XDG_STATE_HOME/hpc`, by default `~/.local/state/hpc`
    (https://specifications.freedesktop.org/basedir-spec/latest/)."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "hpc"
