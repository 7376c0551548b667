"""The files of a working directory that git tracks, or would track since it does not ignore them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hpc.common.file_tree import TreeEntry, file_entry, walk

_LIST = ("ls-files", "-z", "--others", "--exclude-standard")


def walk_git(folder: Path) -> Iterator[TreeEntry]:
    """Yield the files and empty folders below a folder, sorted by name; links are followed.

    Submodules and nested repositories follow their own rules. The `.gitignore` files of a folder also apply if it is
    outside any repository, or ignored as a whole by its repository.

    Raises:
        OSError: git failed, or is not installed and the folder has a `.gitignore`.
    """
    if shutil.which("git") is None:
        if any(folder.rglob(".gitignore")):
            raise OSError(
                "git is not installed, but the folder has a .gitignore; install git, or send a folder without one"
            )
        yield from walk(folder, lambda name, _: name.rpartition("/")[2] == ".git")
        return
    for name in sorted(_names(folder)):
        path = folder / name
        if not path.is_dir():
            if os.path.lexists(path):  # a tracked file may have been deleted
                yield file_entry(name, path)
        elif path.is_symlink():
            yield from walk(path, prefix=f"{name}/")
        else:
            yield TreeEntry(name=name, path=path, is_folder=True)


def _names(folder: Path) -> Iterator[str]:
    """Yield relative names of files, links and empty folders."""
    top = _git(folder, "check-ignore", "--quiet", ".")
    if top.returncode == 0 or b"not a git repository" in top.stderr:
        with tempfile.TemporaryDirectory(prefix="hpc-git-") as empty:
            _checked(folder, "init", "--quiet", empty)
            yield from _listed(folder, f"--git-dir={empty}/.git", f"--work-tree={folder.absolute()}")
    else:
        yield from _listed(folder)


def _listed(folder: Path, *options: str) -> Iterator[str]:
    for name in {item.rstrip("/") for item in _split(_checked(folder, *options, *_LIST, "--cached"))}:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            yield from (f"{name}/{inner}" for inner in _names(path))
        else:
            yield name
    untracked = [item for item in _split(_checked(folder, *options, *_LIST, "--directory")) if item.endswith("/")]
    empty = [name for item in untracked for name in _empty_folders(folder, item)]
    if empty:
        names = "\0".join(empty).encode(errors="surrogateescape")
        ignored = _split(_git(folder, *options, "check-ignore", "-z", "--stdin", text=names).stdout)
        yield from set(empty) - set(ignored)


def _empty_folders(folder: Path, name: str) -> Iterator[str]:
    for inner, folders, files in os.walk(folder / name):
        if ".git" in (*folders, *files):  # a nested repository
            folders.clear()
        elif not folders and not files:
            yield Path(inner).relative_to(folder).as_posix()


def _split(listed: bytes) -> list[str]:
    return [os.fsdecode(item) for item in listed.split(b"\0") if item]


def _checked(folder: Path, *arguments: str) -> bytes:
    done = _git(folder, *arguments)
    if done.returncode:
        raise OSError(f"git: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _git(folder: Path, *arguments: str, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    # Variables that, for example, a git hook sets would lead to another repository.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {"LC_ALL": "C"}
    return subprocess.run(["git", *arguments], cwd=folder, env=env, input=text, capture_output=True, check=False)
