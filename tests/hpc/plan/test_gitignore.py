"""Against git itself."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hpc.common.file_tree import walk
from hpc.plan.gitignore import Ignored

NAMES = st.sampled_from(["a", "b", "ab", "a b", "üx", "a.c", "b.o", "x*", "!n", "#h", "[q]", "$(id)", "'"])
SEGMENTS = st.sampled_from([
    "a", "b", "*", "**", "*.o", "a*", "?", "[ab]", "[!a]", "ab", "üx", "a b", "\\*", "x\\*", "!n", "\\!n", "\\#h",
    "a.c", "*b", "[q]", "\\[q\\]", "$(id)",
])  # fmt: skip
PATTERNS = st.builds(
    lambda negation, lead, segments, tail: negation + lead + "/".join(segments) + tail,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(SEGMENTS, min_size=1, max_size=3),
    st.sampled_from(["", "", "/", " ", "\r"]),
)


def not_ignored_by_git(folder: Path) -> set[str]:
    command = ["git", "-c", "core.excludesFile=/dev/null", "ls-files", "-z", "-co", "--exclude-standard"]
    answer = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    return {name for name in answer.stdout.decode().split("\0") if name}


def write(file: Path, text: str) -> None:
    with contextlib.suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@settings(max_examples=60, deadline=None)
@given(
    files=st.lists(st.lists(NAMES, min_size=1, max_size=3).map("/".join), min_size=1, max_size=8),
    patterns=st.lists(PATTERNS, max_size=4),
    nested=st.dictionaries(NAMES, st.lists(PATTERNS, max_size=3), max_size=2),
)
def test_what_is_left_out_is_what_git_ignores(
    files: list[str], patterns: list[str], nested: dict[str, list[str]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["git", "init", "-q", folder], check=True)
        for file in files:
            write(folder / file, "x")
        write(folder / ".gitignore", "\n".join(patterns))
        for sub, lines in nested.items():
            if (folder / sub).is_dir():
                write(folder / sub / ".gitignore", "\n".join(lines))
        found = {item.name for item in walk(folder, Ignored(folder)) if not item.is_folder}
        assert found == not_ignored_by_git(folder)


def test_patterns_above_the_folder_count_up_to_the_top_of_the_repository(tmp_path: Path) -> None:
    for file in ("repo/.git/HEAD", "repo/code/a.o", "repo/code/a.c", "repo/code/keep/b.o"):
        write(tmp_path / file, "x")
    write(tmp_path / ".gitignore", "*.c")
    write(tmp_path / "repo" / ".gitignore", "*.o\n!keep/*.o\n")
    write(tmp_path / "repo" / "code" / "keep" / ".gitignore", "!b.o\n")
    code = tmp_path / "repo" / "code"
    assert [item.name for item in walk(code, Ignored(code))] == ["a.c", "keep/.gitignore", "keep/b.o"]


def test_git_s_own_folder_is_left_out_also_without_gitignore(tmp_path: Path) -> None:
    for file in (".git/HEAD", "sub/.git/HEAD", "sub/a"):
        write(tmp_path / file, "x")
    assert [item.name for item in walk(tmp_path, Ignored(tmp_path))] == ["sub/a"]
