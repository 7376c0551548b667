from __future__ import annotations

import os
from pathlib import Path

from hpc.common.file_tree import walk


def test_files_links_and_empty_folders_are_found_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "run.sh").write_text("x")
    (tmp_path / "b" / "run.sh").chmod(0o755)
    (tmp_path / "empty").mkdir()
    (tmp_path / "a ü*").write_text("x")
    (tmp_path / "link").symlink_to("b")
    found = [(item.name, item.is_folder, item.executable) for item in walk(tmp_path)]
    assert found == [
        ("a ü*", False, False), ("b/run.sh", False, True), ("empty", True, False), ("link/run.sh", False, True),
    ]  # fmt: skip


def test_what_cannot_be_sent_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "up").symlink_to("..")
    (tmp_path / "gone").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    found = {item.name: item.trouble for item in walk(tmp_path)}
    assert found == {
        "gone": "a link to nowhere, which does not exist",
        "pipe": "neither a file nor a folder",
        "sub/up": "a link to a folder that contains it",
    }
