"""The environments of the working tree, synthesized once a session by app.py itself."""

import pytest

from tools.synthesis import ROOT, Stacks, environments, synthesize_all


@pytest.fixture(scope="session")
def working_tree() -> dict[str, Stacks]:
    names = environments(ROOT)
    return {name: stacks for (_, name), stacks in synthesize_all((ROOT, name) for name in names).items()}
