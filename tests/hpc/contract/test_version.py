from __future__ import annotations

import pytest

from hpc.contract.version import VERSION, is_newer, major


@pytest.mark.parametrize(
    ("version", "than", "expected"),
    [("1.10", "1.9", True), ("1.9", "1.10", False), ("2.0", "1.10", True), ("1.2", "1.2", False)],
)
def test_versions_are_compared_as_numbers(version: str, than: str, expected: bool) -> None:
    assert is_newer(version, than) is expected


@pytest.mark.parametrize("text", ["", "1", "1.2.3", "v1.2", "1.x", "1.²"])
def test_what_is_no_version_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=f"as in {VERSION}"):
        major(text)
