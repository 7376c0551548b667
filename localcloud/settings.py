"""Settings of a local cloud."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

HOST = "127.0.0.1"
ExecutorName = Literal["process", "container", "null"]


@dataclass(frozen=True)
class Settings:
    url: str
    state_dir: Path
    """Holds the working folders of running jobs."""
    executor: ExecutorName = "process"
    host_slots: int = 2 * (os.cpu_count() or 1)
    """Single-container jobs that run at once."""
    list_lag_s: float = 0.0
    """ListJobs omits jobs younger than this."""
    time_scale: float = 1.0
    """Factor for job timeouts and stop timeouts."""
