"""The files of a working directory as git sees them: tracked ones, and untracked ones that it does not ignore."""

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
    """Yield the files below a folder, and its empty folders, in the order of their names; a link counts as its target.

    Submodules and repositories inside the folder are listed by their own rules. In a folder outside any repository, or
    one that its repository ignores as a whole, the `.gitignore` files below it count all the same.

    Raises:
        OSError: git refuses, or is not installed and there is a `.gitignore` to read.
    """
    if shutil.which("git") is None:
        if any(folder.rglob(".gitignore")):
            raise OSError("git is not installed, which reads .gitignore; install it, or send a folder without one")
        yield from walk(folder, lambda name, _: name.rpartition("/")[2] == ".git")
        return
    for name in sorted(_names(folder)):
        path = folder / name
        if not path.is_dir():
            if os.path.lexists(path):  # what is tracked may have been removed
                yield file_entry(name, path)
        elif path.is_symlink():
            yield from walk(path, prefix=f"{name}/")
        else:
            yield TreeEntry(name=name, path=path, is_folder=True)


def _names(folder: Path) -> Iterator[str]:
    """Yield relative names of files, of links, and of folders with nothing in them."""
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
        asked = "\0".join(empty).encode(errors="surrogateescape")
        ignored = _split(_git(folder, *options, "check-ignore", "-z", "--stdin", text=asked).stdout)
        yield from set(empty) - set(ignored)


def _empty_folders(folder: Path, name: str) -> Iterator[str]:
    for inner, folders, files in os.walk(folder / name):
        if ".git" in (*folders, *files):  # listed by its own rules
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
    # A git hook, say, sets variables that lead to its own repository.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {"LC_ALL": "C"}
    return subprocess.run(["git", *arguments], cwd=folder, env=env, input=text, capture_output=True, check=False)
