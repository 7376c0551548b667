"""A child that runs several tasks: each has a folder, a status and an exit code; the next attempt runs the rest."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.hpc.node.conftest import eventually

pytestmark = pytest.mark.slow


def ask(job: Any, size: int, pack: int, **changes: Any) -> None:
    job.ask(**{"tasks": size, "pack": pack, "parts": [{"offset": 0, "size": size}], **changes})
    job.write_rows([{"word": f"w{number}", "--setenv SEED": str(number * 10)} for number in range(size)])


def statuses(job: Any, child: int = 0) -> dict[int, dict[str, Any]]:
    try:
        lines = job.read(job.paths.pack_status(0, child)).splitlines()
    except job.s3.exceptions.NoSuchKey:
        return {}
    return {record["index"]: record for record in map(json.loads, lines)}


def codes(job: Any, child: int = 0) -> dict[int, int]:
    return {index: record["exit_code"] for index, record in statuses(job, child).items()}


def test_each_task_has_its_row_its_number_and_its_outputs(job: Any) -> None:
    ask(job, 5, 2, outputs=["OUT"])
    node = job.start("bash", "-c", "echo {word} $SEED $HPC_INDEX > $OUT", AWS_BATCH_JOB_ARRAY_INDEX="1")
    assert node.wait() == 0, node.err
    assert job.keys("outputs/") == ["outputs/2/OUT", "outputs/3/OUT"]
    assert [job.read(job.paths.output(n) + "OUT") for n in (2, 3)] == ["w2 20 2\n", "w3 30 3\n"]
    assert codes(job, 1) == {2: 0, 3: 0}
    assert statuses(job, 1)[3]["outputs"] == [{"key": job.paths.output(3) + "OUT", "size": 8}]
    assert job.keys("status/") == ["status/pack-0-1.jsonl"]
    assert list(job.scratch.iterdir()) == []


def test_the_last_child_runs_what_is_left(job: Any) -> None:
    ask(job, 5, 2)
    node = job.start("true", AWS_BATCH_JOB_ARRAY_INDEX="2")
    assert node.wait() == 0
    assert codes(job, 2) == {4: 0}


def test_chosen_tasks_keep_their_numbers(job: Any) -> None:
    ask(job, 3, 2, only=[[3, 3], [8, 9]])
    first = job.start("bash", "-c", "echo {word} $HPC_INDEX")
    assert first.wait() == 0
    second = job.start("bash", "-c", "echo {word} $HPC_INDEX", AWS_BATCH_JOB_ARRAY_INDEX="1")
    assert second.wait() == 0
    assert (first.out, second.out) == ("w0 3\nw1 8\n", "w2 9\n")
    assert (codes(job, 0), codes(job, 1)) == ({3: 0, 8: 0}, {9: 0})


def test_the_exit_code_is_that_of_the_first_task_that_failed_and_the_others_run(job: Any) -> None:
    ask(job, 4, 4)
    node = job.start("bash", "-c", "echo ran; case $HPC_INDEX in 1) exit 7;; 2) exit 9;; esac")
    assert node.wait() == 7
    assert node.out == "ran\n" * 4
    assert codes(job) == {0: 0, 1: 7, 2: 9, 3: 0}
    assert "task 1: the command ended with exit code 7" in node.err


def test_inputs_of_all_tasks_are_staged_once_and_a_rows_own_beside_them(job: Any) -> None:
    one = job.write("shared/common.txt", "common")
    job.write("shared/0.txt", "zero")
    job.write("shared/1.txt", "one")
    job.ask(tasks=2, pack=2, parts=[{"offset": 0, "size": 2}], inputs=[{"name": "ALL", "uri": one}])
    job.write_rows([{"--input OWN": f"s3://data/shared/{number}.txt"} for number in range(2)])
    node = job.start("bash", "-c", "cat $ALL $OWN; echo; ls $HPC_INPUT_DIR | tr '\n' ' '; stat -c %i $ALL")
    assert node.wait() == 0, node.err
    first, names, second, again = node.out.splitlines()
    assert (first, second) == ("commonzero", "commonone")
    assert names == again  # the same file, and nothing of the task before
    assert names.startswith("ALL OWN ")


def test_a_row_whose_input_is_missing_fails_alone(job: Any) -> None:
    job.write("shared/there.txt", "there")
    job.ask(tasks=2, pack=2, parts=[{"offset": 0, "size": 2}])
    job.write_rows([{"--input OWN": f"s3://data/shared/{name}.txt"} for name in ("not", "there")])
    node = job.start("bash", "-c", "cat $OWN")
    assert node.wait() == 71
    assert node.out == "there"
    assert codes(job) == {0: 71, 1: 0}


def test_after_a_kill_the_next_attempt_runs_only_what_is_not_done(job: Any) -> None:
    ask(job, 4, 4)
    command = (
        "bash",
        "-c",
        "echo ran $HPC_INDEX; test $HPC_INDEX -lt 2 || test $AWS_BATCH_JOB_ATTEMPT -gt 1 || exec sleep 90",
    )
    node = job.start(*command)
    eventually(lambda: codes(job) == {0: 0, 1: 0}, "the first two are in S3 while the third runs")
    node.process.send_signal(signal.SIGKILL)
    assert node.wait() == -signal.SIGKILL
    assert node.out == "ran 0\nran 1\nran 2\n"
    again = job.start(*command, AWS_BATCH_JOB_ATTEMPT="2")
    assert again.wait() == 0, again.err
    assert again.out == "ran 2\nran 3\n"
    assert {index: record["attempt"] for index, record in statuses(job).items()} == {0: 1, 1: 1, 2: 2, 3: 2}


def test_a_failed_task_runs_again_in_the_next_attempt_and_the_others_do_not(job: Any) -> None:
    ask(job, 3, 3)
    command = ("bash", "-c", "echo ran $HPC_INDEX; test $HPC_INDEX -ne 1 || exit $((2 - AWS_BATCH_JOB_ATTEMPT))")
    assert job.start(*command).wait() == 1
    again = job.start(*command, AWS_BATCH_JOB_ATTEMPT="2")
    assert again.wait() == 0
    assert again.out == "ran 1\n"
    third = job.start(*command, AWS_BATCH_JOB_ATTEMPT="3")
    assert third.wait() == 0
    assert third.out == ""


def test_a_signal_reaches_the_task_that_runs_and_no_other_starts(job: Any) -> None:
    ask(job, 3, 3)
    node = job.start(
        "bash", "-c", "trap 'exit 0' TERM; echo up $HPC_INDEX; test $HPC_INDEX -eq 0 || { sleep 60 & wait; }"
    )
    assert [node.process.stdout.readline() for _ in range(2)] == ["up 0\n", "up 1\n"]
    node.process.send_signal(signal.SIGTERM)
    assert node.wait(15) == 128 + signal.SIGTERM
    assert codes(job) == {0: 0, 1: 0}
    assert "stopped with 1 tasks to run" in node.err


def test_a_task_of_the_command_alone_needs_no_rows(job: Any) -> None:
    job.ask(pack=3, parts=[{"offset": 0, "size": 3}])
    node = job.start("bash", "-c", "echo $HPC_INDEX {left} alone")
    assert node.wait() == 0
    assert node.out == "".join(f"{number} {{left}} alone\n" for number in range(3))


def test_a_task_costs_little_beside_its_command(job: Any) -> None:
    def cpu_s(act: Callable[[], object]) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        act()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def child(size: int) -> None:
        ask(job, size, size)
        node = job.start("true", HPC_PART="0", AWS_BATCH_JOB_ATTEMPT=str(size))
        assert node.wait() == 0

    bare_s = cpu_s(lambda: [subprocess.run(["true"], check=True) for _ in range(200)]) / 200
    one_s = cpu_s(lambda: child(2))
    overhead_ms = 1000 * ((cpu_s(lambda: child(302)) - one_s) / 300 - bare_s)
    print(f"{overhead_ms:.1f} ms of CPU per packed task, in addition to {1000 * bare_s:.1f} ms to start `true`")
    assert overhead_ms < 10  # 3 to 4 ms on an idle machine
