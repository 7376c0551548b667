from __future__ import annotations

import pytest

from tests.container import support


@pytest.fixture(scope="session")
def image() -> str:
    """Name of the image for jobs, built on this machine."""
    return support.build()
