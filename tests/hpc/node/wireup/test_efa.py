"""Use of EFA, refusal, and fallback to TCP. A folder and a script replace the device and `fi_info`; no real device was
ever available."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpc.node.failure import Failure
from hpc.node.wireup import efa


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    folder = tmp_path / "infiniband"
    folder.mkdir()
    (folder / "uverbs0").touch()
    return folder


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efa.resource, "getrlimit", lambda _: (efa.resource.RLIM_INFINITY,) * 2)


def env(folder: Path, mode: str = "require", answer: str = "exit 0") -> dict[str, str]:
    """Return an environment in which `fi_info` runs the shell command `answer`."""
    program = folder / "fi_info"
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o700)
    return {"HPC_EFA": mode, "PATH": f"{folder}:/usr/bin:/bin"}


def test_a_node_with_device_and_provider_uses_efa(tmp_path: Path, devices: Path) -> None:
    asked = '[ "$*" = "-p efa -t FI_EP_RDM" ]'
    assert efa.check(env(tmp_path, answer=asked), devices)
    settings = efa.settings("require", usable=True)
    assert (settings["FI_PROVIDER"], settings["OMPI_MCA_pml"], settings["OMPI_MCA_mtl"]) == ("efa", "cm", "ofi")


def test_who_wants_no_efa_is_asked_nothing(tmp_path: Path, devices: Path) -> None:
    assert not efa.check(env(tmp_path, "off", "exit 1"), devices)


def test_without_a_word_about_it_a_node_without_device_leaves_libfabric_alone(tmp_path: Path) -> None:
    assert not efa.check(env(tmp_path, ""), tmp_path / "none")
    assert efa.settings("auto", usable=False) == {}


def test_without_a_word_about_it_a_device_that_is_there_must_work(tmp_path: Path, devices: Path) -> None:
    assert efa.check(env(tmp_path, ""), devices)
    with pytest.raises(Failure, match="fi_info") as error:
        efa.check(env(tmp_path, "", "exit 1"), devices)
    assert error.value.exit_code == 77


@pytest.mark.parametrize("mode", ["off", "prefer"])
def test_without_efa_mpi_is_kept_on_tcp_and_the_log_says_so(capfd: pytest.CaptureFixture[str], mode: str) -> None:
    settings = efa.settings(mode, usable=False)
    assert (settings["FI_PROVIDER"], settings["OMPI_MCA_pml"]) == ("tcp", "ob1")
    assert "MPI uses TCP" in capfd.readouterr().err


def test_without_a_device_a_job_that_requires_efa_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"requires EFA: there is no .*/none/uverbs\*.*HPC_EFA=prefer") as error:
        efa.check(env(tmp_path), tmp_path / "none")
    assert error.value.exit_code == 77


def test_without_a_device_a_job_that_prefers_efa_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert not efa.check(env(tmp_path, "prefer"), tmp_path / "none")
    assert "no EFA on this node: there is no" in capfd.readouterr().err


def test_limited_locked_memory_is_named(tmp_path: Path, devices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efa.resource, "getrlimit", lambda _: (65536, 65536))
    with pytest.raises(Failure, match="locked memory is limited to 64 KiB; the job definition needs the ulimit"):
        efa.check(env(tmp_path), devices)


def test_an_image_without_libfabric_is_named(tmp_path: Path, devices: Path) -> None:
    with pytest.raises(Failure, match="the image has no libfabric"):
        efa.check({"HPC_EFA": "require", "PATH": str(tmp_path)}, devices)


def test_a_device_that_libfabric_does_not_take_is_named(tmp_path: Path, devices: Path) -> None:
    with pytest.raises(Failure, match="fi_info -p efa ended with exit code 61: No data available"):
        efa.check(env(tmp_path, answer="echo No data available >&2; exit 61"), devices)


def test_a_word_that_is_no_mode_is_refused() -> None:
    with pytest.raises(Failure, match="'yes': auto, require, prefer, off are allowed") as error:
        efa.check({"HPC_EFA": "yes"})
    assert error.value.exit_code == 76
