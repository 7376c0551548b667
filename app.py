"""Builds the stacks of one environment: `cdk synth -c env=dev`.

The environments are the files of `environments/`, or of the folder that `-c environments=` names.
"""

from __future__ import annotations

from pathlib import Path

from hpc_stacks.app import build, main, new_app

__all__ = ["ENVIRONMENTS", "build", "main", "new_app"]

ENVIRONMENTS = Path(__file__).parent / "environments"

if __name__ == "__main__":
    main(ENVIRONMENTS)
