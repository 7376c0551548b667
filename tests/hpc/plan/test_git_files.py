from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hpc.plan.git_files import walk_git


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def names(folder: Path) -> list[str]:
    return [item.name for item in walk_git(folder)]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "repo").mkdir()
    git(tmp_path / "repo", "init", "-q")
    return tmp_path / "repo"


def test_files_that_git_ignores_stay_here(repository: Path) -> None:
    write(repository, {".gitignore": "*.o\n!keep/*.o\n", "a.o": "", "a.c": "", "keep/b.o": "", ".git/x": ""})
    assert names(repository) == [".gitignore", "a.c", "keep/b.o"]


def test_a_tracked_file_is_sent_although_a_pattern_matches_it(repository: Path) -> None:
    # https://github.com/skypilot-org/skypilot/issues/4015
    write(repository, {".gitignore": "*.dat\n", "mesh.dat": "", "other.dat": ""})
    git(repository, "add", "--force", "mesh.dat")
    assert names(repository) == [".gitignore", "mesh.dat"]


def test_a_pattern_with_a_slash_means_the_top_alone(repository: Path) -> None:
    # https://github.com/skypilot-org/skypilot/issues/3298
    write(repository, {".gitignore": "data/*\n", "data/big": "", "src/data/__init__.py": ""})
    assert names(repository) == [".gitignore", "src/data/__init__.py"]


def test_rules_above_the_folder_count_up_to_the_top_of_the_repository(repository: Path) -> None:
    # https://github.com/skypilot-org/skypilot/issues/4933
    write(repository.parent, {".gitignore": "*.c\n"})
    write(repository, {".gitignore": "*.o\n", "code/a.o": "", "code/a.c": "", "other": ""})
    assert names(repository / "code") == ["a.c"]


def test_a_folder_that_its_repository_ignores_is_sent_by_its_own_rules(repository: Path) -> None:
    # https://github.com/skypilot-org/skypilot/issues/446
    write(
        repository, {".gitignore": "runs/\n", "runs/1/in.dat": "", "runs/1/.gitignore": "*.tmp\n", "runs/1/x.tmp": ""}
    )
    assert names(repository / "runs" / "1") == [".gitignore", "in.dat"]


def test_submodules_and_repositories_inside_are_sent_by_their_own_rules(repository: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    write(library, {"lib.py": "", ".gitignore": "*.so\n"})
    git(library, "init", "-q")
    git(library, "add", ".")
    git(library, "commit", "-q", "-m", "x")
    git(repository, "submodule", "add", "-q", str(library), "lib")
    write(repository, {"lib/fast.so": "", "lib/new.py": "", "nested/a": "", "nested/a.so": ""})
    git(repository / "nested", "init", "-q")
    expected = [".gitmodules", "lib/.git", "lib/.gitignore", "lib/lib.py", "lib/new.py", "nested/a", "nested/a.so"]
    assert names(repository) == [name for name in expected if name != "lib/.git"]


def test_outside_a_repository_gitignore_counts_too(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "build/\n", "build/x": "", "src/a": "", "src/.gitignore": "b\n", "src/b": ""})
    assert names(tmp_path) == [".gitignore", "src/.gitignore", "src/a"]


def test_empty_folders_that_are_not_ignored_are_sent(repository: Path) -> None:
    write(repository, {".gitignore": "cache/\n", "src/a": ""})
    for name in ("out", "src/deep/empty", "cache", "new/cache", "new/er"):
        (repository / name).mkdir(parents=True)
    assert [item.name for item in walk_git(repository) if item.is_folder] == ["new/er", "out", "src/deep/empty"]


def test_links_count_as_their_targets_and_removed_files_are_left_out(repository: Path, tmp_path: Path) -> None:
    write(tmp_path, {"elsewhere/x": ""})
    write(repository, {"gone": "", "a": ""})
    git(repository, "add", ".")
    (repository / "gone").unlink()
    (repository / "folder").symlink_to(tmp_path / "elsewhere")
    (repository / "file").symlink_to("a")
    assert names(repository) == ["a", "file", "folder/x"]


def test_a_name_is_kept_to_the_byte(repository: Path) -> None:
    odd = ["two words", "ünï", "new\nline", '"quoted"']
    write(repository, dict.fromkeys(odd, ""))
    assert names(repository) == sorted(odd)


def test_variables_of_a_git_hook_do_not_lead_elsewhere(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repository, {"a": ""})
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))
    assert names(repository) == ["a"]


def test_without_git_only_a_gitignore_is_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    write(tmp_path / "work", {"a": "", ".git/HEAD": ""})
    assert names(tmp_path / "work") == ["a"]
    write(tmp_path / "work", {".gitignore": ""})
    with pytest.raises(OSError, match="git is not installed"):
        names(tmp_path / "work")
