"""Another version of the source, in a folder of its own."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

LIBRARIES = "requirements.txt"


class UnknownRefError(Exception):
    """Git knows no commit of that name."""


def commit_of(repository: Path, ref: str) -> str:
    """Return the hash of the commit that a ref names.

    Raises:
        UnknownRefError: if there is none, or no repository.
    """
    done = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if done.returncode != 0:
        raise UnknownRefError(
            f"{ref!r} names no commit in {repository}; allowed: a branch, tag or commit, such as main, origin/main,"
            " HEAD~1; fix: git fetch, or write another one"
        )
    return done.stdout.decode().strip()


@contextmanager
def checkout(repository: Path, commit: str) -> Generator[Path]:
    """Yield a folder with the files of a commit, which goes afterwards; the repository is not touched."""
    done = _git(repository, "archive", "--format=tar", commit)
    done.check_returncode()
    with tempfile.TemporaryDirectory(prefix="hpc-base-") as folder:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # older than Python 3.11.4: none
            archive.extractall(folder)  # noqa: S202 - git has just made it
        yield Path(folder)


def same_libraries(base: Path, head: Path) -> bool:
    """Return whether both versions pin the same libraries."""
    one, two = base / LIBRARIES, head / LIBRARIES
    return one.exists() and two.exists() and one.read_bytes() == two.read_bytes()


def _git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, check=False)
