from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hpc.runs import records

RECORD = records.Record(
    run_id="20261122-173355-k3v9qz",
    environment="dev",
    project="default",
    name="n",
    queue="q",
    sha256="0",
    submitted_at="2026-11-22T17:33:55+00:00",
    parts=(records.Part(number=0, job_id="j", offset=0, size=2),),
    jobs=1,
)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_a_record_is_read_back_as_it_was_saved() -> None:
    records.save(RECORD)
    assert records.load("dev", RECORD.run_id) == RECORD
    assert list(records.recent("dev", 5)) == [RECORD]


def test_other_environments_do_not_have_the_record() -> None:
    records.save(RECORD)
    assert records.load("prod", RECORD.run_id) is None
    assert list(records.recent("prod", 5)) == []


def test_an_incomplete_record_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "hpc" / "dev" / "20261122-173355-k3v9qz.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"run_id": "20261122-1733')
    assert records.load("dev", RECORD.run_id) is None


def test_a_state_folder_that_cannot_be_written_is_a_note_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    records.save(RECORD)
    captured = capsys.readouterr()
    assert "note the run id" in captured.err
    assert captured.out == ""


def test_a_childs_job_id_leads_to_its_task() -> None:
    parts = (records.Part(number=1, job_id="a", offset=3, size=3), records.Part(number=2, job_id="b", offset=6, size=1))
    record = replace(RECORD, parts=parts)
    assert [record.task_of(job_id) for job_id in ("a:2", "a", "b", "c:0")] == [5, None, None, None]
    assert replace(record, only=((10, 19),)).task_of("a:0") == 13
    assert replace(record, pack=2).task_of("a:1") is None
    assert replace(record, pack=2).child("a:1") == (0, 1)
    assert record.child("c:1") is None


def test_chosen_numbers_and_packs_are_read_back() -> None:
    record = replace(RECORD, only=((3, 3), (7, 9)), pack=4)
    records.save(record)
    assert records.load("dev", RECORD.run_id) == record
