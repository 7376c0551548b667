"""What goes wrong after the submission, and on the way to S3."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.faults import FaultyLine
from tests.end_to_end.faults.support import Bench
from tests.end_to_end.support import Platform

pytestmark = pytest.mark.slow

EXPIRED = {"code": "ExpiredTokenException", "status": 400, "message": "The security token is expired"}
SLOW_DOWN = {"code": "SlowDown", "status": 503}
S3_PUT = {"service": "s3", "operation": "PutObject"}
S3_GET = {"service": "s3", "operation": "GetObject"}
BAD_START_S = 30


@pytest.fixture(scope="module")
def line(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyLine]:
    with FaultyLine(platform.cloud.url, 1, tmp_path_factory.mktemp("line") / "log") as line:
        yield line


@pytest.fixture
def bench(platform: Platform, line: FaultyLine, tmp_path: Path) -> Bench:
    line.clear()
    return Bench(platform.cloud, line, tmp_path)


def test_credentials_that_expire_while_watching_cost_no_state(bench: Bench) -> None:
    run = bench.hpc("submit", "--", "bash", "-c", "sleep 1; exit 3").stdout.strip()
    bench.line.rules({"service": "batch", "operation": "DescribeJobs", "times": 1, "error": EXPIRED})
    first = bench.hpc("wait", run)
    assert first.returncode == 1
    assert "log in again" in first.stderr
    assert bench.hpc("wait", run).returncode == 3


def test_a_watcher_that_is_killed_can_be_started_again(bench: Bench) -> None:
    run = bench.hpc("submit", "--", "bash", "-c", "sleep 2; exit 4").stdout.strip()
    bench.line.rules({"service": "batch", "operation": "DescribeJobs", "latency": 1})
    watcher = bench.start("wait", run)
    deadline = time.monotonic() + 60
    while not bench.line.fired():  # it has looked once
        assert time.monotonic() < deadline
        time.sleep(0.02)
    watcher.send_signal(signal.SIGKILL)
    watcher.communicate()
    assert bench.hpc("wait", run).returncode == 4


def test_files_arrive_whole_through_cut_and_slowed_transfers(bench: Bench, tmp_path: Path) -> None:
    data, fetched = tmp_path / "data", tmp_path / "fetched"
    content = bytes(range(256)) * 4096
    data.write_bytes(content)
    cut = S3_PUT | {"times": 1, "request": {"cut_upload": {"after_bytes": 1000}}}
    bench.line.rules(S3_PUT | {"times": 2, "error": SLOW_DOWN}, cut)
    submitted = bench.hpc("submit", "--input", f"DATA={data}", "--", "bash", "-c", "cp $DATA $HPC_OUTPUT_DIR/copy")
    assert submitted.returncode == 0, submitted.stderr
    run = submitted.stdout.strip()
    assert len(bench.line.fired()) == 3
    assert bench.hpc("wait", run).returncode == 0
    bench.line.clear()
    damaged = S3_GET | {"times": 1, "response": {"corrupt_bytes": 1}}
    bench.line.rules(damaged, S3_GET | {"times": 1, "response": {"abort_bytes": 1000}})
    answer = bench.hpc("fetch", run, "--to", str(fetched))
    assert answer.returncode == 0, answer.stderr
    assert (fetched / "0" / "copy").read_bytes() == content


def test_outputs_that_arrive_damaged_again_and_again_are_told_and_not_left(bench: Bench, tmp_path: Path) -> None:
    run = bench.hpc("submit", "--", "bash", "-c", "echo right > $HPC_OUTPUT_DIR/out").stdout.strip()
    assert bench.hpc("wait", run).returncode == 0
    bench.line.rules(S3_GET | {"response": {"corrupt_bytes": 1}})
    answer = bench.hpc("fetch", run, "--to", str(tmp_path / "out"))
    assert answer.returncode == 1
    assert "checksum" in answer.stderr
    assert "fetch again" in answer.stderr
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_s3_that_slows_down_while_a_run_is_resumed_costs_only_time(bench: Bench) -> None:
    run = bench.hpc("submit", "--", "true").stdout.strip()
    bench.line.rules(S3_GET | {"times": 2, "error": SLOW_DOWN}, S3_PUT | {"times": 2, "error": SLOW_DOWN})
    resumed = bench.hpc("submit", "--run", run, "--", "true")
    assert (resumed.returncode, resumed.stdout.strip()) == (0, run)


def test_a_large_output_whose_part_arrives_damaged_is_fetched_again(bench: Bench, tmp_path: Path) -> None:
    program = "import os; open(os.environ['HPC_OUTPUT_DIR'] + '/big', 'wb').write(bytes(range(256)) * 80_000)"
    run = bench.hpc("submit", "--", "python", "-c", program).stdout.strip()
    assert bench.hpc("wait", run).returncode == 0
    bench.line.rules(S3_GET | {"times": 1, "response": {"corrupt_bytes": 1}})
    answer = bench.hpc("fetch", run, "--to", str(tmp_path / "out"))
    assert answer.returncode == 0, answer.stderr
    assert len(bench.line.fired()) == 1
    assert (tmp_path / "out" / "0" / "big").read_bytes() == bytes(range(256)) * 80_000


def test_an_upload_that_cannot_be_made_sends_no_job_and_says_how_to_go_on(bench: Bench, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_bytes(b"x" * 1000)
    arguments = ("--input", f"DATA={data}", "--", "cat", "no-such-file")
    bench.line.rules(S3_PUT | {"error": SLOW_DOWN})
    answer = bench.hpc("submit", *arguments)
    assert answer.returncode == 1
    assert "nothing runs twice" in answer.stderr
    assert "--run" in answer.stderr


def test_an_endpoint_that_is_down_from_the_start_is_told_within_bounds(bench: Bench) -> None:
    started = time.monotonic()
    answer = bench.hpc("submit", "--", "true", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert answer.returncode == 1
    assert "cannot be reached" in answer.stderr
    assert time.monotonic() - started < BAD_START_S


def test_a_command_of_every_metacharacter_reaches_the_container_byte_for_byte(bench: Bench, tmp_path: Path) -> None:
    nasty = [*"$`;&|*?~!#%^()[]{}<>\\'\"", "$HOME", "$(id)", "{a}", "a\nb", "\r\n", "\t", "\x1b[31m", "\x7f", "  "]
    nasty += ["--", "Ref::x", "é", "e\u0301", "😀", "\u202e", "%s", "-x"]
    program = "import json, os, sys; json.dump(sys.argv[1:], open(os.environ['HPC_OUTPUT_DIR'] + '/argv', 'w'))"
    submitted = bench.hpc("submit", "--", "python", "-c", program, *nasty)
    assert submitted.returncode == 0, submitted.stderr
    run = submitted.stdout.strip()
    assert bench.hpc("wait", run).returncode == 0
    bench.hpc("fetch", run, "--to", str(tmp_path / "out"), AWS_ENDPOINT_URL=bench.cloud.url)
    assert json.loads((tmp_path / "out" / "0" / "argv").read_text()) == nasty
