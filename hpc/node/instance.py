"""What the instance tells of itself, for the record of a task."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpc import contract


def facts(env: Mapping[str, str]) -> dict[str, Any] | None:
    """Return instance type, zone and purchasing; None where nobody tells, as outside AWS."""
    folder = env.get(contract.ENV_HOST)
    if not folder:
        return None
    try:
        text = (Path(folder) / contract.HOST_INSTANCE).read_text(encoding="utf-8")
        instance: Any = json.loads(text)
        return {key: instance[key] for key in ("instance_type", "zone", "purchasing")}
    except (OSError, ValueError, KeyError, TypeError):  # a record less is no reason for a job to fail
        return None
