"""The submitting user and client."""

from __future__ import annotations

import getpass
import re
from importlib.metadata import version


def user_name() -> str:
    """Return the local user's name as a tag value
    (https://docs.aws.amazon.com/batch/latest/userguide/using-tags.html)."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return re.sub(r"[^\w .:/=+@-]", "-", name)[:256] or "unknown"


def client_name() -> str:
    """Return this client's name and version, for `request.json`."""
    return f"hpc {version('hpc-batch')}"
