from __future__ import annotations

import json
from pathlib import Path

import pytest

from examples.deployment import Deployment
from tests.end_to_end.support import Platform

pytestmark = pytest.mark.slow


def test_a_job_runs_and_its_log_and_output_come_back(platform: Platform, output: Path) -> None:
    run = platform.submit("--output", "RESULT", "--", "bash", "-c", "echo working; echo $((6 * 7)) > $RESULT")
    assert platform.wait(run) == 0
    assert "working" in platform.logs(run).splitlines()
    fetched = platform.hpc("fetch", run, "--to", str(output))
    assert fetched.stdout.strip() == str(output)
    assert (output / "0" / "RESULT").read_text() == "42\n"


@pytest.mark.parametrize("arguments", [("queues", "--json"), ("--env", "nope", "submit", "--", "true")])
def test_the_installed_program_is_what_the_tests_fork(platform: Platform, arguments: tuple[str, ...]) -> None:
    installed = Deployment.attempt(platform.deployment, "hpc", *arguments)
    forked = platform.hpc(*arguments)
    assert (installed.returncode, installed.stdout, installed.stderr) == (
        forked.returncode, forked.stdout, forked.stderr,
    )  # fmt: skip


def test_what_a_job_leaves_is_encrypted_with_the_environments_key(platform: Platform) -> None:
    run = platform.submit("--output", "RESULT", "--", "bash", "-c", "echo 42 > $RESULT")
    assert platform.wait(run) == 0
    (key,) = [
        item["PhysicalResourceId"]
        for item in platform.client("cloudformation").describe_stack_resources(StackName="HpcDevFoundation")[
            "StackResources"
        ]
        if item["ResourceType"] == "AWS::KMS::Key"
    ]
    s3 = platform.client("s3")
    (bucket,) = [item["Name"] for item in s3.list_buckets()["Buckets"] if "databucket" in item["Name"]]
    found = s3.list_objects_v2(Bucket=bucket, Prefix=f"default/runs/{run}/")["Contents"]
    assert len(found) >= 3, "request, output, status"
    for item in found:
        head = s3.head_object(Bucket=bucket, Key=item["Key"])
        assert head["SSEKMSKeyId"].endswith(key), item["Key"]
    logs = platform.client("logs").describe_log_groups()["logGroups"]
    assert logs
    assert all(item["kmsKeyId"].endswith(key) for item in logs)


def test_stdout_of_submit_is_the_run_id_alone_and_stderr_says_what_to_do_next(platform: Platform) -> None:
    answer = platform.hpc("submit", "--", "true")
    run = answer.stdout.strip()
    assert answer.stdout == f"{run}\n"
    assert answer.stderr.splitlines()[0] == f"run {run}"
    assert f"hpc logs -f {run}" in answer.stderr


def test_waiting_gives_the_exit_code_of_the_command(platform: Platform) -> None:
    answer = platform.hpc("submit", "--wait", "--", "bash", "-c", "exit 3")
    assert answer.returncode == 3
    assert "exited 3" in answer.stderr
    assert platform.wait(answer.stdout.strip()) == 3


def test_the_command_arrives_byte_for_byte(platform: Platform, output: Path) -> None:
    arguments = ["two  words", "$HOME", "{brace}", "*", 'quote"', "new\nline", "ünï", "-x"]
    program = "import json, os, sys; json.dump(sys.argv[1:], open(os.environ['ARGS'], 'w'))"
    run = platform.submit("--output", "ARGS", "--", "python", "-c", program, *arguments)
    assert platform.wait(run) == 0
    platform.hpc("fetch", run, "--to", str(output))
    assert json.loads((output / "0" / "ARGS").read_text()) == arguments


def test_inputs_and_variables_are_there(platform: Platform, tmp_path: Path, output: Path) -> None:
    (tmp_path / "data" / "sub").mkdir(parents=True)
    (tmp_path / "data" / "sub" / "a.txt").write_text("from a folder\n")
    (tmp_path / "one.txt").write_text("from a file\n")
    run = platform.submit(
        "--input", f"FOLDER={tmp_path / 'data'}", "--input", f"FILE={tmp_path / 'one.txt'}",
        "--setenv", "GREETING=hello there", "--output", "ALL",
        "--", "bash", "-c", "cat $FOLDER/sub/a.txt $FILE > $ALL; echo $GREETING >> $ALL",
    )  # fmt: skip
    assert platform.wait(run) == 0
    platform.hpc("fetch", run, "--to", str(output))
    assert (output / "0" / "ALL").read_text() == "from a folder\nfrom a file\nhello there\n"


def test_outputs_of_a_failed_command_come_back_too(platform: Platform, output: Path) -> None:
    run = platform.submit("--output", "PART", "--", "bash", "-c", "echo half > $PART; exit 5")
    assert platform.wait(run) == 5
    platform.hpc("fetch", run, "--to", str(output))
    assert (output / "0" / "PART").read_text() == "half\n"


def test_a_named_output_that_is_missing_fails_the_job_with_its_name(platform: Platform) -> None:
    run = platform.submit("--output", "NOTHING", "--", "true")
    assert platform.wait(run) == 66
    assert "NOTHING" in platform.logs(run)
    assert "left no file for a named output" in platform.hpc("status", run).stdout


def test_a_command_that_the_image_lacks_is_told(platform: Platform) -> None:
    answer = platform.hpc("submit", "--wait", "--", "no-such-program")
    assert answer.returncode == 127
    assert "not found" in answer.stderr


def test_status_and_logs_take_a_run_id_a_task_and_a_job_id(platform: Platform) -> None:
    run = platform.submit("--", "echo", "hello")
    assert platform.wait(run) == 0
    (job,) = json.loads(platform.hpc("status", run, "--json").stdout)["jobs"]
    assert job["status"] == "SUCCEEDED"
    for reference in (run, f"{run}:0", job["job_id"]):
        assert "hello" in platform.logs(reference)


def test_status_without_a_run_lists_the_latest(platform: Platform) -> None:
    run = platform.submit("--name", "latest", "--", "true")
    assert platform.wait(run) == 0
    answer = platform.hpc("status")
    line = answer.stdout.splitlines()[1]
    assert [word in line for word in (run, "latest", "SUCCEEDED 1")] == [True] * 3


def test_a_run_submitted_elsewhere_is_found_by_its_id(platform: Platform) -> None:
    run = platform.submit("--", "echo", "far away")
    assert platform.wait(run) == 0
    (platform.deployment.folder / "state" / "hpc" / "dev" / f"{run}.json").unlink()
    assert "far away" in platform.logs(run)


def test_logs_can_be_followed_while_the_command_runs(platform: Platform) -> None:
    run = platform.submit("--", "bash", "-c", "echo first; sleep 1; echo second; exit 4")
    answer = platform.hpc("logs", "-f", run)
    assert [line for line in answer.stdout.splitlines() if line in ("first", "second")] == ["first", "second"]
    assert answer.returncode == 4


def test_the_same_key_submits_once(platform: Platform) -> None:
    before = platform.calls("SubmitJob")
    runs = {platform.submit("--once", "nightly-1", "--", "true") for _ in range(3)}
    assert len(runs) == 1
    assert platform.calls("SubmitJob") == before + 1


def test_a_run_cannot_be_resumed_with_another_request(platform: Platform) -> None:
    run = platform.submit("--", "true")
    answer = platform.hpc("submit", "--run", run, "--", "false")
    assert answer.returncode == 2
    assert "different request" in answer.stderr


def test_a_dry_run_prints_the_requests_and_sends_nothing(platform: Platform) -> None:
    before = len(platform.cloud.calls())
    answer = platform.hpc("submit", "--dry-run", "--vcpus", "2", "--", "true")
    (job,) = json.loads(answer.stdout)["submit_job"]
    assert job["containerOverrides"]["resourceRequirements"] == [{"type": "VCPU", "value": "2"}]
    assert len(platform.cloud.calls()) == before


def test_clients_that_know_nothing_of_runs_get_a_plain_container(platform: Platform) -> None:
    queues = json.loads(platform.hpc("queues", "--json").stdout)
    queue = next(item for item in queues if item["name"] == "on-demand")
    program = f"""
import boto3, time
batch, logs = boto3.client("batch"), boto3.client("logs")
job = batch.submit_job(jobName="foreign", jobQueue="{queue["arn"]}", jobDefinition="hpc-dev-default-task",
    containerOverrides={{"command": ["/bin/bash", "-c", "echo plain $HPC_RUN_ID; exit 7"]}})["jobId"]
deadline = time.time() + 30
while (detail := batch.describe_jobs(jobs=[job])["jobs"][0])["status"] not in ("SUCCEEDED", "FAILED"):
    assert time.time() < deadline
print(detail["container"]["exitCode"])
"""
    assert platform.deployment.run("python", "-c", program).strip() == "7"
