"""Every mistake ends with exit code 2 and one clear line, before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.support import Platform

pytestmark = pytest.mark.slow

WRITES = ("SubmitJob", "PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--env", "nope", "submit"], ["'nope'", "dev"]),
        (["submit", "--queue", "nope"], ["--queue nope", "loosely-coupled, on-demand, tightly-coupled"]),
        (["submit", "--definition", "nope"], ["--definition nope", "task"]),
        (["submit", "--project", "nope"], ["--project nope", "default"]),
        (["submit", "--array", "1"], ["--array 1", "2 or more"]),
        (["submit", "--array", "1000001"], ["1,000,001 children", "--pack K"]),
        (["submit", "--name", "my run"], ["'my run'", "letters, digits"]),
        (["submit", "--name", "x" * 129], ["129 characters"]),
        (["submit", "--nodes", "2", "--queue", "loosely-coupled"], ["--nodes 2", "Spot"]),
        (["submit", "--nodes", "2", "--array", "5"], ["--nodes and --array"]),
        (["submit", "--vcpus", "1000"], ["--vcpus 1000", "192"]),
        (["submit", "--memory", "2TiB"], ["--memory 2048 GiB", "leaves at most"]),
        (["submit", "--timeout", "30s"], ["30 s", "60 s"]),
        (["submit", "--tasks", "{tasks}"], ["{gamma}", "alpha, beta"]),
        (["submit", "--input", "DATA=no-such-file"], ["no-such-file", "no such file"]),
        (["submit", "--after", "0b1b9c1e-7c1f-4f0e-9d9a-1f1f1f1f1f1f"], ["0b1b9c1e", "does not know it"]),
        (["submit", "--one-by-one"], ["--one-by-one", "--array or --tasks"]),
        (["submit", "--after", "20260101-000000-aaaaaa"], ["20260101-000000-aaaaaa", "not found"]),
        (["submit", "--setenv", "AWS_BATCH_MINE=1"], ["AWS_BATCH_MINE", "reserved"]),
        (["submit", "--setenv", "nothing"], ["'nothing'", "NAME=VALUE"]),
    ],
    ids=lambda value: " ".join(value[:4])[:60] if isinstance(value, list) else None,
)
def test_a_mistake_is_one_clear_line_and_sends_nothing(
    platform: Platform, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    tasks = tmp_path / "tasks.csv"
    tasks.write_text("alpha,beta\n1,2\n3,4\n")
    given = [argument.replace("{tasks}", str(tasks)) for argument in arguments]
    before = {name: platform.calls(name) for name in WRITES}
    answer = platform.hpc(*given, "--", "echo", "{gamma}" if "{tasks}" in arguments else "hello")
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert len(answer.stderr.splitlines()) == 1
    assert [word for word in words if word not in answer.stderr] == []
    assert {name: platform.calls(name) for name in WRITES} == before


@pytest.mark.parametrize("command", ["status", "wait", "logs", "fetch", "cancel"])
@pytest.mark.parametrize("reference", ["20260101-000000-aaaaaa", "0b1b9c1e-7c1f-4f0e-9d9a-1f1f1f1f1f1f", "x y"])
def test_a_run_that_does_not_exist_is_one_clear_line(platform: Platform, command: str, reference: str) -> None:
    answer = platform.hpc(command, reference)
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1
    assert reference in answer.stderr
