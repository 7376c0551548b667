"""Templates of an environment, as the source in a folder makes them: its own app.py, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click

Template = dict[str, Any]
Stacks = dict[str, Template]
"""Templates by the name of their stack."""

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = Path("environments")
"""In the source; a folder elsewhere has an absolute path."""


class SynthesisError(Exception):
    """An app refused; the message holds what it said."""


def environments_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--environments`."""
    option = click.option(
        "--environments",
        "folder",
        type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True),
        default=ROOT / ENVIRONMENTS,
        help="Folder of the YAML files, also of another repository.  [default: environments]",
    )
    return option(command)


def environments(root: Path, folder: Path = ENVIRONMENTS) -> list[str]:
    """Return the names of the environments that a folder describes."""
    return sorted(path.stem for path in (root / folder).glob("*.yaml"))


def synthesize(root: Path, environment: str, folder: Path = ENVIRONMENTS) -> Stacks:
    """Return the templates of an environment, offline, without credentials and without the rules' verdict.

    Args:
        root: the source.
        folder: the environments; in the source unless it is absolute.

    Raises:
        SynthesisError: with what the app said.
    """
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(
            [sys.executable, "app.py"],
            cwd=root,
            env=_surroundings(root, environment, root / folder, out),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SynthesisError(f"environment {environment} cannot be synthesized in {root}:\n{done.stderr.strip()}")
        return {
            path.name.removesuffix(".template.json"): json.loads(path.read_text())
            for path in sorted(Path(out).glob("*.template.json"))
        }


def synthesize_all(wanted: Iterable[tuple[Path, str]], folder: Path = ENVIRONMENTS) -> dict[tuple[Path, str], Stacks]:
    """Synthesize several environments, by several versions of the source, at the same time."""
    pairs = list(wanted)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(pairs, pool.map(lambda pair: synthesize(pair[0], pair[1], folder), pairs), strict=True))


def _surroundings(root: Path, environment: str, environments: Path, out: str) -> dict[str, str]:
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
        "CDK_OUTDIR": out,
        "CDK_VALIDATION": "false",
        "CDK_CONTEXT_JSON": json.dumps(
            {**context, "aws:cdk:enable-path-metadata": True, "env": environment, "environments": str(environments)}
        ),
    }
