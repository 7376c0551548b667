"""The run's request.json."""

from __future__ import annotations

ON_FAILURE = ("all", "logs", "none")
"""What is kept of the outputs of a command that failed."""
LOG_SUFFIXES = (".log", ".out", ".err")
"""What a file's name ends in that counts as a log."""
