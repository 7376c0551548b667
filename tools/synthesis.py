"""Templates of an environment, as the source in a folder makes them: its own app.py, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

Template = dict[str, Any]
Stacks = dict[str, Template]
"""Templates by the name of their stack."""

ROOT = Path(__file__).resolve().parents[1]


class SynthesisError(Exception):
    """An app refused; the message holds what it said."""


def environments(root: Path) -> list[str]:
    """Return the names of the environments that the source in a folder describes."""
    return sorted(path.stem for path in (root / "environments").glob("*.yaml"))


def synthesize(root: Path, environment: str) -> Stacks:
    """Return the templates of an environment, offline, without credentials and without the rules' verdict.

    Raises:
        SynthesisError: with what the app said.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "app.py"],
            cwd=root,
            env=_surroundings(root, environment, folder),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SynthesisError(f"environment {environment} cannot be synthesized in {root}:\n{done.stderr.strip()}")
        return {
            path.name.removesuffix(".template.json"): json.loads(path.read_text())
            for path in sorted(Path(folder).glob("*.template.json"))
        }


def synthesize_all(wanted: Iterable[tuple[Path, str]]) -> dict[tuple[Path, str], Stacks]:
    """Synthesize several environments, of several folders, at the same time."""
    pairs = list(wanted)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(pairs, pool.map(lambda pair: synthesize(*pair), pairs), strict=True))


def _surroundings(root: Path, environment: str, folder: str) -> dict[str, str]:
    """What the CDK CLI hands to an app, and nothing of who runs this.

    PYTHONPATH leads to the folder's own source roots: they come before the editable install of this one.
    """
    context = json.loads((root / "cdk.json").read_text()).get("context", {})
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_"))}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "constructs")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "CDK_OUTDIR": folder,
        "CDK_VALIDATION": "false",
        "CDK_CONTEXT_JSON": json.dumps({**context, "aws:cdk:enable-path-metadata": True, "env": environment}),
    }
