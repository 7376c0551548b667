from __future__ import annotations

from pathlib import Path

import click
import pytest

from tools.image import efa, engine


def install(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("installed", "asked", "found"),
    [
        (["podman", "docker"], None, "podman"),
        (["docker"], None, "docker"),
        (["podman", "docker"], "docker", "docker"),
    ],
)
def test_whichever_is_there_is_taken(
    installed: list[str], asked: str | None, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, *installed)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert engine.find(asked).name == found


@pytest.mark.parametrize(("asked", "wanted"), [(None, "podman or docker"), ("docker", "docker")])
def test_without_one_it_says_what_to_install(
    asked: str | None, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(click.ClickException, match=rf"^{wanted} is needed and not installed; .*apt-get install podman"):
        engine.find(asked)


@pytest.mark.parametrize(("given", "name"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("arm64", "arm64")])
def test_architectures_have_the_names_of_images(given: str, name: str) -> None:
    assert engine.architecture(given) == name


def test_another_architecture_is_refused() -> None:
    with pytest.raises(click.ClickException, match="'riscv64' given; the image is for x86_64 and aarch64"):
        engine.architecture("riscv64")


def test_an_installer_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / efa.URL.rpartition("/")[2]).write_bytes(b"something else")
    with pytest.raises(click.ClickException, match=f"{efa.SHA256} is pinned: delete it"):
        efa.installer(tmp_path)
