"""Faults between a container and S3, and of its disk: each is reported within a bound, and none hangs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from hpc.node.s3 import download, upload
from hpc.node.s3.client import S3, S3Error
from localcloud.faults import FaultyLine
from tests.hpc.node.conftest import Job
from tests.hpc.node.line import Line

pytestmark = pytest.mark.slow

GET = {"service": "s3", "operation": "GetObject"}
PUT = {"service": "s3", "operation": "PutObject"}
DENIED = {"error": {"code": "AccessDenied", "status": 403, "message": "Access Denied"}}
DENIED_S = 20
SLOW_S = 60
SILENT_S = 20
"""Seconds: six attempts of one second each, and at most 6 s of delays between them."""
DISK_S = 30


@pytest.fixture(scope="module")
def shared_line(s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyLine]:
    with FaultyLine(s3_endpoint, 1, tmp_path_factory.mktemp("line") / "log") as line:
        yield line


@pytest.fixture
def line(shared_line: FaultyLine) -> FaultyLine:
    shared_line.clear()
    return shared_line


def through(line: FaultyLine, **more: str) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL": line.url, **more}


def elsewhere(job: Job, name: str, content: bytes, **kept: Any) -> dict[str, str]:
    """Write an object to a separate bucket, which fault rules can name; return it as an input."""
    bucket = f"elsewhere-{job.run_id}"
    with contextlib.suppress(job.s3.exceptions.BucketAlreadyOwnedByYou):
        job.s3.create_bucket(Bucket=bucket)
    job.s3.put_object(Bucket=bucket, Key=name, Body=content, **kept)
    return {"name": "IN", "uri": f"s3://{bucket}/{name}"}


ELSEWHERE = {"resource": "elsewhere-"}


def test_an_input_that_is_denied_is_named_with_what_may_be_read(job: Job, line: FaultyLine) -> None:
    job.ask(inputs=[elsewhere(job, "a", b"1")])
    line.rules(GET | ELSEWHERE | DENIED)
    began = time.monotonic()
    node = job.start("echo", "started", **through(line))
    assert node.wait(DENIED_S) == 71
    assert time.monotonic() - began < DENIED_S
    assert "/a: AccessDenied (403)" in node.err
    assert "read_buckets" in node.err
    assert node.out == ""
    assert job.status()["exit_code"] == 71


def test_outputs_that_are_denied_fail_the_task(job: Job, line: FaultyLine) -> None:
    job.ask()
    script = "echo up; read; for n in $(seq 120); do echo $n > $HPC_OUTPUT_DIR/$n; done"
    fifo = job.scratch / "fifo"
    os.mkfifo(fifo)
    node = job.start("bash", "-c", f"exec < {fifo}; {script}", **through(line))
    with fifo.open("w") as go:
        assert node.process.stdout.readline() == "up\n"  # its lease is taken
        line.rules(PUT | DENIED)
        go.write("on\n")
    assert node.wait(DENIED_S) == 72
    assert "AccessDenied (403)" in node.err
    assert "more)" in node.err
    assert "cannot write the status of this task" in node.err


def test_a_request_that_is_denied_ends_the_task(job: Job, line: FaultyLine) -> None:
    job.ask()
    line.rules(GET | DENIED)
    node = job.start("echo", "started", **through(line))
    assert node.wait(DENIED_S) == 76
    assert "cannot read the request of this run" in node.err


def test_a_slow_and_busy_s3_costs_only_time(job: Job, line: FaultyLine) -> None:
    names = [f"folder/{number:02}" for number in range(20)]
    for name in names:
        uri = elsewhere(job, name, name.encode() * 1000)["uri"]
    job.ask(inputs=[{"name": "IN", "uri": uri.rpartition("/")[0] + "/"}], outputs=["OUT"])
    line.rules(
        GET | {"times": 5, "error": {"code": "SlowDown", "status": 503}},
        GET | ELSEWHERE | {"times": 10, "response": {"bandwidth_kbps": 200}},
        PUT | {"times": 3, "latency": 1},
    )
    node = job.start("bash", "-c", "cat $IN/* > $OUT", **through(line))
    assert node.wait(SLOW_S) == 0, node.err
    assert len(line.fired()) > 10
    assert len(job.read(job.paths.output(0) + "OUT")) == sum(len(name) * 1000 for name in names)


def test_an_s3_that_does_not_answer_ends_the_task_after_six_attempts(job: Job) -> None:
    job.ask(inputs=[elsewhere(job, "a", b"1")])
    silent = threading.Event()

    def fault(request: bytes) -> None:
        if request.startswith(b"GET /elsewhere-") and b"/a HTTP" in request:
            silent.wait(SILENT_S)

    with Line(job.endpoint, fault) as line:
        node = job.start("echo", "started", AWS_ENDPOINT_URL=line.url, HPC_S3_TIMEOUT_S="1")
        assert node.wait(SILENT_S) == 71
        silent.set()
    assert "/a: no answer in 1 s, tried 6 times" in node.err
    assert node.out == ""


def test_a_file_and_a_listing_that_arrive_damaged_are_fetched_again(job: Job, line: FaultyLine) -> None:
    job.ask(inputs=[elsewhere(job, "file", bytes(range(256)) * 400)], outputs=["OUT"])
    damaged = {"times": 2, "response": {"corrupt_bytes": 900}}
    line.rules(GET | ELSEWHERE | damaged, {"service": "s3", "operation": "ListObjectsV2"} | damaged)
    node = job.start("bash", "-c", "cp $IN $OUT", **through(line))
    assert node.wait() == 0, node.err
    assert len(line.fired()) == 4
    kept = job.s3.get_object(Bucket=job.bucket, Key=job.paths.output(0) + "OUT")["Body"].read()
    assert kept == bytes(range(256)) * 400


def test_a_part_that_arrives_damaged_is_fetched_again(job: Job, line: FaultyLine, tmp_path: Path) -> None:
    content = os.urandom(500_000)
    (tmp_path / "content").write_bytes(content)
    bucket = elsewhere(job, "other", b"")["uri"].split("/")[2]
    with (
        ThreadPoolExecutor(4) as pool,
        patch.multiple(download, LARGE=100_000, CHUNK=(30_000, 30_000)),
        patch.object(upload, "PART", 60_000),
    ):
        upload.send(S3(job.environment()), tmp_path / "content", bucket, "big", len(content), pool)
        line.rules(GET | ELSEWHERE | {"times": 4, "response": {"corrupt_bytes": 1}})
        source = download.Source(bucket=bucket, key="big", path=tmp_path / "fetched", size=len(content))
        download.fetch(S3(job.environment(**through(line))), source, pool)
    assert len(line.fired()) == 4
    assert (tmp_path / "fetched").read_bytes() == content
    assert "-9" in job.s3.head_object(Bucket=bucket, Key="big")["ETag"]


@pytest.mark.parametrize("kept", [{}, {"ChecksumAlgorithm": "CRC64NVME"}, {"ChecksumAlgorithm": "SHA256"}])
def test_a_large_object_of_one_piece_is_fetched_in_ranges_and_checked_as_a_whole(
    job: Job, line: FaultyLine, tmp_path: Path, kept: dict[str, str]
) -> None:
    content = os.urandom(500_000)
    bucket = elsewhere(job, "big", content, **kept)["uri"].split("/")[2]
    source = download.Source(bucket=bucket, key="big", path=tmp_path / "fetched", size=len(content))
    with ThreadPoolExecutor(4) as pool, patch.multiple(download, RANGE_BYTES=(60_000, 60_000), LARGE=100_000):
        download.fetch(S3(job.environment()), source, pool)
        assert (tmp_path / "fetched").read_bytes() == content
        line.rules(GET | ELSEWHERE | {"times": 4, "response": {"corrupt_bytes": 1}})
        download.fetch(S3(job.environment(**through(line))), source, pool)
    assert len(line.fired()) == 4
    assert (tmp_path / "fetched").read_bytes() == content


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "hpc-test", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_too_small_for_all_inputs_is_told_before_any_is_fetched(
    job: Job, line: FaultyLine, small_disk: Path
) -> None:
    inputs = [{**elsewhere(job, str(n), b"x" * (3 << 20)), "name": f"IN{n}"} for n in range(2)]
    job.ask(inputs=inputs)
    line.rules(GET | ELSEWHERE | {"latency": 0.001})
    node = job.start("true", **through(line, HPC_SCRATCH=str(small_disk)))
    assert node.wait(DISK_S) == 71
    assert "needs 0.01 GiB" in node.err
    assert "root_volume_gib" in node.err
    assert "HPC_SCRATCH" in node.err
    assert line.fired() == []


@pytest.mark.parametrize("large", [False, True])
def test_a_disk_that_is_full_at_the_last_bytes_is_told(job: Job, small_disk: Path, large: bool) -> None:
    content = os.urandom(4 << 20)
    bucket = elsewhere(job, "big", content)["uri"].split("/")[2]
    (small_disk / "other").write_bytes(b"x" * 100_000)  # the last write is cut short
    source = download.Source(bucket=bucket, key="big", path=small_disk / "fetched", size=len(content))
    limits = {"LARGE": 1 << 20, "RANGE_BYTES": (4 << 20, 4 << 20)} if large else {"LARGE": 8 << 20}
    with ThreadPoolExecutor(2) as pool, patch.multiple(download, **limits), pytest.raises(S3Error, match="No space"):
        download.fetch(S3(job.environment()), source, pool)
    assert [path.name for path in small_disk.iterdir()] == ["other"]


def test_a_command_that_fills_the_disk_keeps_its_exit_code_and_what_it_wrote(job: Job, small_disk: Path) -> None:
    job.ask()
    script = "echo kept > $HPC_OUTPUT_DIR/kept; head -c 9000000 /dev/zero > $HPC_OUTPUT_DIR/full || exit 28"
    node = job.start("bash", "-c", script, HPC_SCRATCH=str(small_disk))
    assert node.wait(DISK_S) == 28
    assert "No space left on device" in node.err
    assert job.read(job.paths.output(0) + "kept") == "kept\n"
    assert job.status()["exit_code"] == 28
    assert list(small_disk.iterdir()) == []
