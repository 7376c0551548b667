"""Policies that questions can be asked of."""

from __future__ import annotations

import pytest

from app import ENVIRONMENTS
from hpc_constructs.config import parse
from tests.stacks.conftest import Stacks, synthesize
from tests.stacks.iam.asker import Asker
from tests.stacks.iam.questions import LICENSE, PARAMETER

ADDITIONS = {
    "\nprojects:\n": "  other:\n    own_images: true\n",
    "\n    own_images: true # its developers may bring containers of their own\n": (
        f"    image_sources: [public.ecr.aws/biocontainers]\n    secrets: [{PARAMETER}]\n    workflow: {{}}\n"
    ),
    "\n  task:\n": f"    secrets:\n      LICENSE: {LICENSE}\n",
}
"""Lines of `environments/dev.yaml`, and what comes behind them."""


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Stacks:
    text = (ENVIRONMENTS / "dev.yaml").read_text(encoding="utf-8")
    for line, addition in ADDITIONS.items():
        assert text.count(line) == 1, line
        text = text.replace(line, line + addition)
    return synthesize(parse(text, file="environments/dev.yaml", name="dev"), tmp_path_factory.mktemp("two"))


@pytest.fixture
def asker(two: Stacks, isolated: Stacks) -> Asker:
    """A new one for each test: some change its policies."""
    return Asker(two, isolated)
