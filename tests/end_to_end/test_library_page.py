"""The examples of docs/library.md run as they are, in one session, in an empty folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.test_library import program
from tests.end_to_end.support import Platform

pytestmark = pytest.mark.slow


def test_the_page_runs(platform: Platform, tmp_path: Path) -> None:
    path = tmp_path / "library.py"
    path.write_text(program())
    printed = platform.deployment.run("python", str(path), cwd=tmp_path)
    assert "2 complaints" in printed.splitlines()
    assert "['exited 1']" in printed.splitlines()
