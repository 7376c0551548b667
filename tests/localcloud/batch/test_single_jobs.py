"""One container: environment, logs, exit codes, retries, timeouts, ends."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.slow

SHOW_METADATA = """
import os, urllib.request
print(urllib.request.urlopen(os.environ["ECS_CONTAINER_METADATA_URI_V4"]).read().decode())
"""


def test_a_job_runs_and_its_lines_arrive_in_its_log_stream(world: Any) -> None:
    job = world.run("sh", "-c", "echo one; echo; echo two >&2; printf rest")
    assert (job["status"], job["container"]["exitCode"]) == ("SUCCEEDED", 0)
    assert job["statusReason"] == "Essential container in task exited"
    assert world.lines(job) == ["one", "two", "rest"]
    assert job["container"]["logStreamName"].startswith("task/default/")
    assert job["createdAt"] <= job["startedAt"] <= job["stoppedAt"]


def test_lines_can_be_read_while_the_job_runs(world: Any, wait: Any) -> None:
    job_id = world.submit("sh", "-c", "echo early; sleep 30")
    job = world.wait_for_status(job_id, "RUNNING")
    wait(lambda: world.lines(job) == ["early"], 2)
    world.batch.terminate_job(jobId=job_id, reason="seen")


def test_long_logs_are_paged_in_order(world: Any) -> None:
    job = world.run("seq", "1", "2500")
    stream = {"logGroupName": "/jobs", "logStreamName": job["container"]["logStreamName"], "startFromHead": True}
    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = world.logs.get_log_events(**stream, limit=1000, **token)
        found += [event["message"] for event in page["events"]]
        if token.get("nextToken") == page["nextForwardToken"]:
            break
        token = {"nextToken": page["nextForwardToken"]}
    assert found == [str(number) for number in range(1, 2501)]


def test_a_variable_that_names_a_mounted_folder_of_the_host_leads_to_one_that_jobs_share(world: Any) -> None:
    container = {
        "volumes": [{"name": "scratch", "host": {"sourcePath": "/scratch"}}],
        "mountPoints": [{"sourceVolume": "scratch", "containerPath": "/mnt"}],
        "environment": [
            {"name": "A", "value": "/mnt"},
            {"name": "B", "value": "/mnt/note"},
            {"name": "C", "value": "/mn"},
        ],
    }
    definition = world.define(container=container)
    world.run("sh", "-c", "echo hello > $A/note", definition=definition)
    job = world.run("sh", "-c", "cat $B; echo $C", definition=definition)
    assert world.lines(job) == ["hello", "/mn"]


def test_secrets_become_variables_when_the_container_starts(world: Any) -> None:
    secret = world.client("secretsmanager").create_secret(
        Name=world.unique("secret"), SecretString=json.dumps({"key": "from the secret"})
    )["ARN"]
    name = "/" + world.unique("parameter")
    world.client("ssm").put_parameter(Name=name, Value="from the parameter", Type="SecureString")
    sources = {"A": f"{secret}:key::", "B": f"arn:aws:ssm:us-east-1:000000000000:parameter{name}", "C": secret}
    definition = world.define(container={"secrets": [{"name": k, "valueFrom": v} for k, v in sources.items()]})
    job = world.run("sh", "-c", "echo $A; echo $B; echo $C", definition=definition)
    assert world.lines(job) == ["from the secret", "from the parameter", '{"key": "from the secret"}']
    assert "from the" not in json.dumps(job["container"])


def test_a_secret_that_does_not_exist_stops_the_job_before_its_container_starts(world: Any) -> None:
    arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:nothing-AbCdEf"
    definition = world.define(container={"secrets": [{"name": "A", "valueFrom": arn}]})
    job = world.run("true", definition=definition)
    assert (job["status"], job["statusReason"]) == ("FAILED", "Task failed to start")
    assert job["container"]["reason"].startswith("ResourceInitializationError: unable to pull secrets")


def test_the_environment_is_the_containers_alone(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    definition = world.define(container={"environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]})
    overrides = {"environment": [{"name": "B", "value": "3"}], "command": ["sh", "-c", "env; pwd"]}
    job = world.run(definition=definition, containerOverrides=overrides)
    *lines, folder = world.lines(job)
    env = dict(line.split("=", 1) for line in lines)
    assert (env["A"], env["B"], env["HOME"]) == ("1", "3", folder)
    assert env["AWS_BATCH_JOB_ID"] == job["jobId"]
    assert env["AWS_BATCH_JOB_ATTEMPT"] == "1"
    assert env["AWS_BATCH_JQ_NAME"] == "wide"
    assert env["AWS_BATCH_CE_NAME"].startswith("ce-")
    assert env["AWS_ENDPOINT_URL"] == world.cloud.url
    allowed = {"PATH", "PWD", "HOME", "TMPDIR", "A", "B", "_", "SHLVL", "OLDPWD", "ECS_CONTAINER_METADATA_URI_V4"}
    assert {name for name in env if name not in allowed and not name.startswith("AWS_")} == set()
    assert not {name for name in env if name.startswith("AWS_BATCH")} & {"AWS_BATCH_JOB_NODE_INDEX"}


def test_the_metadata_endpoint_describes_the_container(world: Any) -> None:
    job = world.run("python", "-c", SHOW_METADATA)
    found = json.loads(world.lines(job)[0])
    assert found["Limits"] == {"CPU": 1024, "Memory": 64}
    assert found["Networks"] == [{"NetworkMode": "host"}]
    assert found["LogOptions"] == {"awslogs-group": "/jobs", "awslogs-region": "us-east-1"}


def test_parameters_reach_the_command(world: Any) -> None:
    definition = world.define("", "echo", "Ref::greeting", "Ref::name", parameters={"greeting": "hello", "name": "you"})
    job = world.run(definition=definition, parameters={"name": "me"})
    assert world.lines(job) == ["hello me"]
    assert job["container"]["command"] == ["echo", "hello", "me"]


def test_a_job_without_log_configuration_writes_to_the_services_group(world: Any) -> None:
    name = world.unique("definition")
    container = world.container("echo", "there")
    del container["logConfiguration"]
    world.batch.register_job_definition(jobDefinitionName=name, type="container", containerProperties=container)
    job = world.run(definition=name)
    stream = {"logGroupName": "/aws/batch/job", "logStreamName": job["container"]["logStreamName"]}
    assert world.logs.get_log_events(**stream)["events"][0]["message"] == "there"


def test_the_job_leaves_no_files(world: Any) -> None:
    folder = world.lines(world.run("sh", "-c", "pwd; touch file"))[0]
    assert folder.endswith("/work")
    assert not Path(folder).parent.exists()


def test_an_exit_code_fails_the_job(world: Any) -> None:
    job = world.run("sh", "-c", "exit 7")
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 7)
    assert len(job["attempts"]) == 1


def test_a_failure_is_retried_up_to_the_attempts(world: Any) -> None:
    job = world.run("sh", "-c", "echo $AWS_BATCH_JOB_ATTEMPT; exit 7", retryStrategy={"attempts": 3})
    assert [attempt["container"]["exitCode"] for attempt in job["attempts"]] == [7, 7, 7]
    assert world.lines(job) == ["3"]
    assert len({attempt["container"]["logStreamName"] for attempt in job["attempts"]}) == 3


def test_a_retry_may_succeed(world: Any) -> None:
    job = world.run("sh", "-c", "test $AWS_BATCH_JOB_ATTEMPT = 2", retryStrategy={"attempts": 3})
    assert (job["status"], len(job["attempts"])) == ("SUCCEEDED", 2)


def test_a_rule_stops_the_retries(world: Any) -> None:
    rules = [{"onExitCode": "7*", "action": "EXIT"}, {"onReason": "*", "action": "RETRY"}]
    job = world.run("sh", "-c", "exit 75", retryStrategy={"attempts": 3, "evaluateOnExit": rules})
    assert len(job["attempts"]) == 1


def test_a_timeout_ends_the_job_without_a_retry(world: Any) -> None:
    begin = time.monotonic()
    job = world.run("sleep", "600", timeout={"attemptDurationSeconds": 60}, retryStrategy={"attempts": 3})
    assert 0.9 < time.monotonic() - begin < 6
    assert (job["status"], job["statusReason"]) == ("FAILED", "Job attempt duration exceeded timeout")
    assert len(job["attempts"]) == 1


def test_terminate_ends_a_running_job_with_the_reason(world: Any) -> None:
    job_id = world.submit("sleep", "600", retryStrategy={"attempts": 3})
    world.wait_for_status(job_id, "RUNNING")
    world.batch.terminate_job(jobId=job_id, reason="enough")
    job = world.result(job_id)
    assert (job["status"], job["statusReason"], job["isTerminated"]) == ("FAILED", "enough", True)
    assert job["container"]["exitCode"] == 143


def test_cancel_ends_a_waiting_job_and_leaves_a_running_one(world: Any) -> None:
    queue = world.queue(max_vcpus=1)
    running, waiting = (world.submit("sleep", "600", queue=queue) for _ in range(2))
    world.wait_for_status(running, "RUNNING")
    for job_id in (running, waiting):
        world.batch.cancel_job(jobId=job_id, reason="not needed")
    job = world.result(waiting)
    assert (job["status"], job["statusReason"], "startedAt" in job) == ("FAILED", "not needed", False)
    assert world.describe(running)["status"] == "RUNNING"
    world.batch.terminate_job(jobId=running, reason="done")


def test_a_missing_image_fails_as_on_ecs(world: Any) -> None:
    for image in (world.image.partition("@")[0] + ":absent", "busybox"):
        definition = world.define(container={"image": image})
        job = world.run(definition=definition)
        assert job["status"] == "FAILED"
        assert job["statusReason"] == "Task failed to start"
        assert job["container"]["reason"].startswith("CannotPullContainerError")
        assert "exitCode" not in job["container"]


def test_a_missing_log_group_fails_the_start(world: Any) -> None:
    logs = {"logDriver": "awslogs", "options": {"awslogs-group": "/absent"}}
    job = world.run(definition=world.define(container={"logConfiguration": logs}))
    assert job["container"]["reason"].startswith("CannotStartContainerError")
    assert "The specified log group does not exist" in job["container"]["reason"]


def test_a_command_that_is_not_there_fails_with_127(world: Any) -> None:
    assert world.run("no-such-command")["container"]["exitCode"] == 127


def test_maxvcpus_limits_what_runs(world: Any, wait: Any) -> None:
    queue = world.queue(max_vcpus=2)
    ids = [world.submit("sleep", "600", queue=queue) for _ in range(3)]
    wait(lambda: [world.describe(job_id)["status"] for job_id in ids] == ["RUNNING", "RUNNING", "RUNNABLE"])
    world.batch.terminate_job(jobId=ids[0], reason="make room")
    world.wait_for_status(ids[2], "RUNNING")
    for job_id in ids[1:]:
        world.batch.terminate_job(jobId=job_id, reason="done")


def test_the_second_compute_environment_takes_what_the_first_cannot(world: Any) -> None:
    name = world.unique("queue")
    order = [
        {"order": number, "computeEnvironment": world.environment(maxvCpus=size)} for number, size in ((1, 1), (2, 2))
    ]
    world.batch.create_job_queue(jobQueueName=name, priority=1, computeEnvironmentOrder=order)
    first, second = (world.submit("sleep", "600", queue=name) for _ in range(2))
    names = []
    for job_id in (first, second):
        world.wait_for_status(job_id, "RUNNING")
        world.batch.terminate_job(jobId=job_id, reason="done")
        names.append(job_id)
    large = world.submit("sh", "-c", "echo $AWS_BATCH_CE_NAME", queue=name, containerOverrides={
        "resourceRequirements": [{"type": "VCPU", "value": "2"}]})  # fmt: skip
    assert world.lines(world.result(large)) == [order[1]["computeEnvironment"].rpartition("/")[2]]


def test_a_job_larger_than_the_queue_waits_with_the_reason(world: Any, wait: Any) -> None:
    large = {"resourceRequirements": [{"type": "VCPU", "value": "9"}]}
    job_id = world.submit("true", queue=world.queue(max_vcpus=8), containerOverrides=large)
    wait(lambda: "statusReason" in world.describe(job_id))
    job = world.describe(job_id)
    assert job["status"] == "RUNNABLE"
    assert job["statusReason"] == "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"


def test_host_slots_limit_single_jobs_of_all_queues(world: Any, wait: Any) -> None:
    ids = [world.submit("sleep", "600") for _ in range(6)]
    wait(lambda: sum(world.describe(job_id)["status"] == "RUNNING" for job_id in ids) == 4)
    assert [world.describe(job_id)["status"] for job_id in ids[4:]] == ["RUNNABLE", "RUNNABLE"]
    for job_id in reversed(ids):
        world.batch.terminate_job(jobId=job_id, reason="done")
    for job_id in ids:
        world.result(job_id)


def test_a_dependent_job_waits_for_success(world: Any) -> None:
    first = world.submit("sleep", "0.3")
    second = world.submit("true", dependsOn=[{"jobId": first}])
    assert world.wait_for_status(second, "PENDING")["dependsOn"] == [{"jobId": first}]
    assert world.result(second)["startedAt"] >= world.describe(first)["stoppedAt"]


def test_a_failed_dependency_fails_the_whole_chain(world: Any) -> None:
    first = world.submit("sh", "-c", "sleep 0.2; exit 1")
    second = world.submit("true", dependsOn=[{"jobId": first}])
    third = world.submit("true", dependsOn=[{"jobId": second}])
    for job_id in (second, third):
        job = world.result(job_id)
        assert (job["status"], job["statusReason"]) == ("FAILED", "Dependent Job failed")
    late = world.result(world.submit("true", dependsOn=[{"jobId": first}]))
    assert late["statusReason"] == "Dependent Job failed"


def test_a_deleted_queue_ends_its_jobs(world: Any) -> None:
    queue = world.queue()
    job_id = world.submit("sleep", "600", queue=queue)
    world.wait_for_status(job_id, "RUNNING")
    with pytest.raises(ClientError, match="must be DISABLED"):
        world.batch.delete_job_queue(jobQueue=queue)
    world.batch.update_job_queue(jobQueue=queue, state="DISABLED")
    world.batch.delete_job_queue(jobQueue=queue)
    assert world.result(job_id)["status"] == "FAILED"


def test_batch_calls_and_s3_writes_are_in_the_call_log(world: Any) -> None:
    before = len(world.cloud.calls())
    s3 = world.client("s3")
    bucket = world.unique("bucket")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"x")
    s3.get_object(Bucket=bucket, Key="a/b")
    with pytest.raises(ClientError):
        world.submit(definition="absent")
    found = [(call["operation"], call["status"]) for call in world.cloud.calls()[before:]]
    assert found == [("CreateBucket", 200), ("PutObject", 200), ("SubmitJob", 400)]
