"""Clients that are older or newer than the image: samples of older contracts run, and a request that needs a newer
image is refused with a message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hpc.contract.version import VERSION
from tests.hpc.node.conftest import Job

SAMPLES = Path(__file__).parents[1] / "contract" / "samples"


def put(job: Job, sample: str) -> list[str]:
    """Store the files of a sample; return its command."""
    folder = SAMPLES / sample
    for file in ("request.json", "tasks.jsonl", "tasks.idx"):
        if (folder / file).exists():
            job.s3.put_object(Bucket=job.bucket, Key=job.paths.prefix + file, Body=(folder / file).read_bytes())
    return json.loads((folder / "request.json").read_text())["command"]


@pytest.mark.parametrize(
    ("sample", "child", "said"),
    [
        ("1.0/sweep", 0, ["out=1-x"]),  # has no tasks.idx
        ("1.0/sweep", 2, ["out=3-z"]),
        ("1.0/output", None, ["out=done"]),
        ("1.1/pack", 0, ["out=1", "out=2"]),
        ("1.1/pack", 1, ["out=3"]),
        ("1.1/only", None, ["out=3"]),
        ("1.1/role", 1, ["out=8"]),
    ],
)
def test_an_older_client(job: Job, sample: str, child: int | None, said: list[str]) -> None:
    command = put(job, sample)
    env = {} if child is None else {"AWS_BATCH_JOB_ARRAY_INDEX": str(child)}
    node = job.start(*command, **env)
    assert node.wait() == 0, node.err
    assert node.out.splitlines() == said


def test_rows_that_end_early_are_refused_without_an_index_too(job: Job) -> None:
    command = put(job, "1.0/sweep")
    job.write(job.paths.tasks, '{"alpha": "1", "beta": "x"}\n')
    node = job.start(*command, AWS_BATCH_JOB_ARRAY_INDEX="2")
    assert node.wait() == 76
    assert "lines 3 to 3: the object ends before" in node.err


def test_a_newer_client_is_refused_with_what_to_update(job: Job) -> None:
    job.ask(version="2.0", needs="1.99", client="hpc 7.0.0")
    node = job.start("true")
    assert node.wait() == 76
    words = [
        "needs contract 1.99",
        f"supports contracts up to {VERSION}",
        "submitted by hpc 7.0.0",
        "make push ENV=...",
    ]
    assert [word for word in words if word not in node.err] == []


def test_a_newer_client_that_asks_for_nothing_new_is_served(job: Job) -> None:
    job.ask(version="1.99", needs="1.0", contract="1.99", later_key=[1])
    node = job.start("echo", "done")
    assert node.wait() == 0, node.err
    assert node.out == "done\n"
