"""The end-to-end tests are worth something only if they fail where nothing is executed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


def test_the_end_to_end_test_fails_where_jobs_are_only_said_to_have_run() -> None:
    answer = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
            f"{HERE / 'test_one_job.py'}::test_a_job_runs_and_its_log_and_output_come_back",
        ],
        env=os.environ | {"HPC_TEST_EXECUTOR": "null"},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert answer.returncode == 1, answer.stdout
    assert "1 failed" in answer.stdout  # failed in its assertions, with the deployment up: not an error of the set-up
