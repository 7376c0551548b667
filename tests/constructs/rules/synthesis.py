"""app.py in a separate process, with its rules."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


def run(code: list[str], out: Path, context: dict[str, Any] | None = None, **more: str) -> Any:
    """Run Python as the CDK CLI runs app.py; the context is that of the environment dev unless given."""
    path = f"{Path(sys.executable).parent}:{ROOT / 'node_modules' / '.bin'}:{os.environ['PATH']}"
    surroundings = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("CDK_", "PYTEST_"))},
        "PATH": path,
        "CDK_OUTDIR": str(out),
        "CDK_CONTEXT_JSON": json.dumps(context or {"env": "dev"}),
        **more,
    }
    return subprocess.run(
        [sys.executable, *code], cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False
    )


def plugin_reports(folder: Path) -> dict[str, Any]:
    """Return the validation report of a synthesis, by plugin."""
    found = json.loads((folder / "validation-report.json").read_text())["pluginReports"]
    return {item["pluginName"]: item for item in found}
