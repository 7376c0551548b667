"""Files that jobs share, through what the deployed templates say."""

from __future__ import annotations

import pytest

from tests.end_to_end.support import Platform

pytestmark = pytest.mark.slow


def test_a_job_of_another_run_reads_what_a_job_has_written(platform: Platform) -> None:
    writes = platform.submit("--", "bash", "-c", "echo kept for you > $HPC_SHARED/note")
    assert platform.wait(writes) == 0
    reads = platform.submit("--", "bash", "-c", "cat $HPC_SHARED/note")
    assert platform.wait(reads) == 0
    assert "kept for you" in platform.logs(reads)
