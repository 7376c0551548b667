"""One container: lease, inputs, command, outputs, status, exit code."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from hpc.contract import variables
from hpc.contract.host_files import HOST_INSTANCE
from hpc.node.job_context import instance_facts

pytestmark = pytest.mark.slow


def run(job: Any, *command: str, **more: str) -> Any:
    node = job.start(*command, **more)
    node.wait()
    return node


def test_outputs_and_status_are_stored_and_nothing_stays_behind(job: Any) -> None:
    job.ask(outputs=["RESULT"], environment={"GREETING": "good day"})
    node = run(job, "bash", "-c", "echo $GREETING | tee $RESULT; echo more > $HPC_OUTPUT_DIR/more; echo err >&2")
    assert node.process.returncode == 0, node.err
    assert node.out == "good day\n"
    said = f"hpc-node: task 0, attempt 1, run {job.run_id}\nerr\nhpc-node: stage out: 2 files, 14 bytes in "
    assert node.err.startswith(said)
    assert node.err.count("\n") == 3
    assert job.read(job.paths.output(0) + "RESULT") == "good day\n"
    status = job.status()
    assert (status["index"], status["job_id"], status["attempt"]) == (0, "job-1", 1)
    assert (status["exit_code"], status["reason"]) == (0, "")
    assert status["started_at"] <= status["stopped_at"]
    assert status["outputs"] == [
        {"key": job.paths.output(0) + "RESULT", "size": 9},
        {"key": job.paths.output(0) + "more", "size": 5},
    ]
    assert list(job.scratch.iterdir()) == []


def test_the_status_says_on_which_kind_of_instance_the_task_ran(job: Any, tmp_path: Path) -> None:
    said = {"instance_id": "i-1", "instance_type": "c7i.large", "zone": "us-east-1b", "purchasing": "spot"}
    (tmp_path / HOST_INSTANCE).write_text(json.dumps(said))
    job.ask()
    assert run(job, "true", **{variables.ENV_HOST: str(tmp_path)}).process.returncode == 0
    assert job.status()["instance"] == {"instance_type": "c7i.large", "zone": "us-east-1b", "purchasing": "spot"}
    assert ", on c7i.large in us-east-1b, spot\n" in job.nodes[0].err


def test_the_status_says_what_was_moved_and_how_long_the_command_ran(job: Any) -> None:
    job.ask(inputs=[{"name": "ONE", "uri": job.write("shared/one.txt", "1")}], outputs=["RESULT"])
    assert run(job, "bash", "-c", "sleep 0.2; cp $ONE $RESULT").process.returncode == 0
    phases = job.status()["phases"]
    assert 0.2 < phases["command_s"] < 20
    for phase in ("stage_in", "stage_out"):
        assert (phases[phase]["files"], phases[phase]["bytes"]) == (1, 1)
        assert 0 < phases[phase]["seconds"] < 20


@pytest.mark.parametrize("text", [None, "", "[]", "null", "{}", "not JSON", '{"instance_type": "c7i.large"}'])
def test_a_task_runs_where_the_instance_tells_nothing(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / HOST_INSTANCE).write_text(text)
    assert instance_facts({variables.ENV_HOST: str(tmp_path)}) is None
    assert instance_facts({}) is None


def test_inputs_are_files_and_folders(job: Any) -> None:
    one = job.write("shared/one.txt", "1")
    job.write("shared/folder/a b+c", "2")
    job.write("shared/folder/deep/ü", "3")
    inputs = [{"name": "ONE", "uri": one}, {"name": "MANY", "uri": "s3://data/shared/folder/"}]
    job.ask(inputs=inputs)
    node = run(job, "bash", "-c", 'cat "$ONE" "$MANY/a b+c" "$MANY/deep/ü"; basename $ONE; ls $HPC_INPUT_DIR')
    assert node.out == "123one.txt\nMANY\nONE\n", node.err


def test_a_large_file_goes_in_parts_and_comes_back(job: Any) -> None:
    job.ask(outputs=["BIG"])
    assert run(job, "bash", "-c", "head -c 70000000 /dev/zero > $BIG").process.returncode == 0
    uri = f"s3://data/{job.paths.output(0)}BIG"
    assert "-" in job.s3.head_object(Bucket="data", Key=job.paths.output(0) + "BIG")["ETag"]
    job.run_id += "x"
    job.__post_init__()
    job.ask(inputs=[{"name": "BIG", "uri": uri}])
    assert run(job, "bash", "-c", "stat -c %s $BIG").out == "70000000\n"


def test_each_task_of_an_array_fills_its_own_row_in(job: Any) -> None:
    job.ask(tasks=5, parts=[{"offset": 0, "size": 3}, {"offset": 3, "size": 2}])
    job.write_rows([{"name": f"n{number}", "--setenv VALUE": str(number / 2)} for number in range(5)])
    node = run(
        job,
        "bash",
        "-c",
        "echo {name} $VALUE {{literal}} $HPC_INDEX",
        HPC_PART="1",
        AWS_BATCH_JOB_ARRAY_INDEX="1",
        AWS_BATCH_JOB_ID="job-1:1",
    )
    assert node.out == "n4 2.0 {literal} 4\n", node.err
    assert job.keys("leases/") == ["leases/1/1", "leases/1/job"]
    assert job.status(4)["job_id"] == "job-1:1"


def test_without_a_tasks_file_braces_are_left_alone(job: Any) -> None:
    job.ask()
    assert run(job, "echo", "{name} {{x}} {").out == "{name} {{x}} {\n"


@pytest.mark.parametrize(
    ("command", "exit_code", "reason"),
    [
        ("exit 3", 3, "exit code 3"),
        ("kill -9 $$", 137, "SIGKILL"),
        ("exit 200", 200, "exit code 200"),
    ],
)
def test_the_exit_code_is_the_commands_and_its_outputs_are_kept(
    job: Any, command: str, exit_code: int, reason: str
) -> None:
    job.ask(outputs=["RESULT"])
    node = run(job, "bash", "-c", f"echo partial > $HPC_OUTPUT_DIR/partial; {command}")
    assert node.process.returncode == exit_code
    assert job.status()["exit_code"] == exit_code
    assert reason in job.status()["reason"]
    assert job.keys("outputs/") == ["outputs/0/partial"]


@pytest.mark.parametrize(
    ("command", "exit_code", "message"),
    [("no-such-program", 127, "no such program on PATH"), ("/etc/passwd", 126, "Permission denied")],
)
def test_a_command_that_cannot_start_is_explained(job: Any, command: str, exit_code: int, message: str) -> None:
    job.ask()
    node = run(job, command)
    assert node.process.returncode == exit_code
    assert message in node.err
    assert job.status()["exit_code"] == exit_code


def test_a_named_output_that_is_missing_fails_the_task(job: Any) -> None:
    job.ask(outputs=["RESULT", "OTHER"])
    node = run(job, "bash", "-c", "touch $OTHER")
    assert node.process.returncode == 66
    assert "left nothing at $RESULT" in node.err


@pytest.mark.parametrize("uri", ["s3://data/no/such/file", "s3://data/no/such/folder/", "s3://no-such-bucket/x"])
def test_a_missing_input_is_named_and_the_command_does_not_start(job: Any, uri: str) -> None:
    job.ask(inputs=[{"name": "MESH", "uri": uri}])
    node = run(job, "echo", "started")
    assert node.process.returncode == 71
    assert uri in node.err
    assert node.out == ""
    assert job.status()["exit_code"] == 71


def test_another_job_with_the_same_run_does_nothing(job: Any) -> None:
    job.ask()
    run(job, "true")
    node = run(job, "echo", "started", AWS_BATCH_JOB_ID="job-2")
    assert node.process.returncode == 75
    assert "is job job-1; this one, job-2, is a duplicate" in node.err
    assert node.out == ""
    assert job.status()["job_id"] == "job-1"


def test_a_child_of_another_array_does_nothing_though_its_task_is_free(job: Any) -> None:
    job.ask(parts=[{"offset": 0, "size": 2}])
    assert run(job, "true", AWS_BATCH_JOB_ID="job-1:0", AWS_BATCH_JOB_ARRAY_INDEX="0").process.returncode == 0
    assert run(job, "true", AWS_BATCH_JOB_ID="job-2:1", AWS_BATCH_JOB_ARRAY_INDEX="1").process.returncode == 75
    assert run(job, "true", AWS_BATCH_JOB_ID="job-1:1", AWS_BATCH_JOB_ARRAY_INDEX="1").process.returncode == 0


def test_the_job_that_the_submitter_wrote_is_the_only_one_that_runs(job: Any) -> None:
    job.ask()
    job.write(job.paths.job(0), json.dumps({"job_id": "job-2", "by": "x", "sends": 2}))
    assert run(job, "true").process.returncode == 75
    assert run(job, "true", AWS_BATCH_JOB_ID="job-2").process.returncode == 0


def test_a_job_whose_submitter_died_before_it_wrote_the_id_writes_it_itself(job: Any) -> None:
    job.ask()
    job.write(job.paths.job(0), json.dumps({"job_id": None, "by": "x", "sends": 1}))
    assert run(job, "true").process.returncode == 0
    assert json.loads(job.read(job.paths.job(0))) == {"job_id": "job-1", "by": "x", "sends": 1}


def test_the_next_attempt_takes_over_and_an_earlier_one_does_not(job: Any) -> None:
    job.ask()
    run(job, "false")
    assert run(job, "true", AWS_BATCH_JOB_ATTEMPT="2").process.returncode == 0
    assert job.status()["attempt"] == 2
    assert run(job, "true").process.returncode == 75


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "2.0"},
        {"parts": []},
        {"nodes": 4, "kind": "multi-node"},
        {"tasks": 3},  # no tasks file was written
        {"pack": 2, "parts": [{"offset": 0, "size": 0}]},
    ],
)
def test_a_request_that_does_not_fit_is_refused(job: Any, changes: dict[str, Any]) -> None:
    job.ask(**changes)
    node = run(job, "echo", "started")
    assert node.process.returncode in {71, 76}
    assert node.err.startswith("hpc-node: ")
    assert "Traceback" not in node.err
    assert node.out == ""


def test_a_run_without_a_request_is_refused(job: Any) -> None:
    node = run(job, "true")
    assert node.process.returncode == 76
    assert "request.json" in node.err


def test_an_unknown_column_names_the_known_ones(job: Any) -> None:
    job.ask(tasks=1)
    job.write_rows([{"alpha": "1", "beta": "2"}])
    node = run(job, "echo", "{gamma}")
    assert node.process.returncode == 76
    assert "'gamma'" in node.err
    assert "alpha, beta" in node.err


def test_a_signal_reaches_the_command_and_its_answer_counts(job: Any) -> None:
    job.ask()
    node = job.start("bash", "-c", "trap 'echo saved > $HPC_OUTPUT_DIR/saved; exit 5' TERM; echo up; sleep 60 & wait")
    assert node.process.stdout.readline() == "up\n"
    node.process.send_signal(signal.SIGTERM)
    assert node.wait(10) == 5
    assert job.keys("outputs/") == ["outputs/0/saved"]


def test_a_command_that_dies_of_the_signal_gives_143(job: Any) -> None:
    job.ask()
    node = job.start("bash", "-c", "echo up; sleep 60")
    assert node.process.stdout.readline() == "up\n"
    node.process.send_signal(signal.SIGTERM)
    assert node.wait(10) == 143
    assert "SIGTERM" in job.status()["reason"]


def test_processes_that_the_command_leaves_behind_are_ended(job: Any) -> None:
    job.ask()
    started = time.monotonic()
    node = run(job, "bash", "-c", "setsid bash -c 'sleep 300' & sleep 300 & exit 0")
    assert node.process.returncode == 0
    assert time.monotonic() - started < 30  # the pipes of stdout would stay open else


def test_an_unreachable_s3_is_told_without_a_traceback(job: Any) -> None:
    node = run(job, "true", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert node.process.returncode == 71
    assert "Connection refused" in node.err
    assert "Traceback" not in node.err


def test_what_a_process_appends_to_the_node_log_is_in_the_log(job: Any) -> None:
    job.ask()
    assert "rank 0 here" in run(job, "bash", "-c", "echo rank 0 here >> $HPC_NODE_LOG").err
