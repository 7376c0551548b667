"""The two distributions hold what they should, and nothing else of the repository."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import hpc

ROOT = Path(__file__).parents[2]
PACKAGES = {"hpc_batch": {"hpc"}, "hpc_batch_platform": {"hpc_constructs", "hpc_stacks"}}
SOURCES = {"hpc": ROOT, "hpc_constructs": ROOT / "constructs", "hpc_stacks": ROOT / "constructs"}


def build(source: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    for source in (ROOT, ROOT / "constructs"):
        build(source, folder)
    return folder


@pytest.fixture(scope="session")
def wheels(built: Path) -> dict[str, Path]:
    return {path.name.split("-")[0]: path for path in built.glob("*.whl")}


def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def tracked(package: str) -> set[str]:
    """Return the files of a package that git knows."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", package],
        cwd=SOURCES[package],
        check=True,
        capture_output=True,
        text=True,
    )
    return {name for name in listed.stdout.splitlines() if (SOURCES[package] / name).exists()}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_wheel_holds_its_packages_whole_and_nothing_else(name: str, wheels: Mapping[str, Path]) -> None:
    found = {path for path in contents(wheels[name]) if ".dist-info/" not in path}
    assert found == set().union(*map(tracked, PACKAGES[name]))
    assert {f"{package}/py.typed" for package in PACKAGES[name]} <= found


def test_a_wheel_of_the_platform_holds_what_python_does_not_import(wheels: Mapping[str, Path]) -> None:
    suffixes = {Path(path).suffix for path in contents(wheels["hpc_batch_platform"])}
    assert {".guard", ".toml", ".csv", ".yaml", ".conf", ".service"} <= suffixes


@pytest.mark.parametrize("name", PACKAGES)
def test_a_wheel_from_the_sdist_is_the_wheel(
    name: str, built: Path, wheels: Mapping[str, Path], tmp_path: Path
) -> None:
    (sdist,) = built.glob(f"{name}-*.tar.gz")
    with tarfile.open(sdist) as archive:
        assert all(member.isfile() or member.isdir() for member in archive)
        archive.extractall(tmp_path)  # noqa: S202 - it has just been made
    build(next(tmp_path.iterdir()), tmp_path / "dist")
    (again,) = (tmp_path / "dist").glob("*.whl")
    assert contents(again) == contents(wheels[name])


def test_the_runtime_admits_ranges(wheels: Mapping[str, Path]) -> None:
    read = metadata(wheels["hpc_batch"])
    needed = [Requirement(text) for text in read.get_all("Requires-Dist", [])]
    assert {"boto3", "click", "rich"} <= {item.name for item in needed}
    for item in needed:
        assert item.marker is None
        assert {part.operator for part in item.specifier} <= {">=", "<"}, item
    assert read["Provides-Extra"] is None


def test_the_platform_needs_the_runtime_of_its_version(wheels: Mapping[str, Path]) -> None:
    read = metadata(wheels["hpc_batch_platform"])
    needed = {item.name: item.specifier for item in map(Requirement, read.get_all("Requires-Dist", []))}
    assert hpc.__version__ == read["Version"] == metadata(wheels["hpc_batch"])["Version"]
    assert hpc.__version__ in needed["hpc-batch"]
    version = Version(hpc.__version__)
    assert f"{version.major}.{version.minor + 1}" not in needed["hpc-batch"]


def test_both_carry_the_licence() -> None:
    assert (ROOT / "LICENSE").read_bytes() == (ROOT / "constructs" / "LICENSE").read_bytes()


def test_the_commands_are_of_the_runtime(wheels: Mapping[str, Path]) -> None:
    assert set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]) == {
        "hpc", "hpc-node", "hpc-mpi",
    }  # fmt: skip
    assert not [path for path in contents(wheels["hpc_batch_platform"]) if path.endswith("entry_points.txt")]


def test_every_requirement_has_hashes_and_a_version() -> None:
    """pip checks all of a file or nothing."""
    text = (ROOT / "requirements.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert lines
    for line in lines:
        requirement, *hashes = line.split(" --hash=sha256:")
        assert hashes, line
        (part,) = Requirement(" ".join(requirement.split())).specifier
        assert part.operator == "==", line
