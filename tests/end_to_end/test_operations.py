"""Notices and the history of jobs, in the environment that the CDK CLI deployed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from tests.end_to_end.support import Platform

pytestmark = pytest.mark.slow

FIELDS = {
    "jobId", "jobName", "jobQueue", "jobDefinition", "status", "statusReason", "exitCode", "logStream", "createdAt",
    "startedAt", "stoppedAt", "arrayIndex", "arraySize", "nodeIndex", "nodes", "tags",
}  # fmt: skip
MARK = "unutterable"
"""Stands in commands and variables, and may stand nowhere else."""


def wait_for(condition: Callable[[], Any], timeout_s: float = 20) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "nothing came in time"
        time.sleep(0.05)
    return value


class Watch:
    """A subscriber of the topic, and a reader of the history."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.batch, self.logs, self.sqs, self.sns = (self.client(name) for name in ("batch", "logs", "sqs", "sns"))
        (stack,) = self.client("cloudformation").describe_stacks(StackName="HpcDevOperations")["Stacks"]
        outputs = {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}
        self.group = outputs["JobHistoryLogGroup"]
        self.queue = self.sqs.create_queue(QueueName="subscriber")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        attributes = {"RawMessageDelivery": "true"}
        self.sns.subscribe(TopicArn=outputs["NoticeTopicArn"], Protocol="sqs", Endpoint=arn, Attributes=attributes)
        self.notices: list[dict[str, Any]] = []

    def client(self, service: str) -> Any:
        return boto3.client(
            service, endpoint_url=self.platform.cloud.url, region_name="us-east-1", aws_access_key_id="test",
            aws_secret_access_key="test",
        )  # fmt: skip

    def of(self, job_id: str) -> list[dict[str, Any]]:
        """Notices of a job so far."""
        for message in self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", []):
            self.notices.append(json.loads(message["Body"]))
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return [item for item in self.notices if item["jobId"] == job_id]

    def notice(self, job_id: str) -> dict[str, Any]:
        (notice,) = wait_for(lambda: self.of(job_id))
        return notice

    def history(self, job_id: str) -> list[dict[str, Any]]:
        found = self.logs.filter_log_events(logGroupName=self.group)["events"]
        entries = [json.loads(item["message"]) for item in found]
        return [item for item in entries if item["jobId"] == job_id]

    def run(self, *command: str) -> str:
        """Run a job with the real `hpc`; return its Batch job id."""
        run = self.platform.submit("--setenv", f"WORD={MARK}", "--", *command)
        self.platform.wait(run)
        return self.job_id(run)

    def job_id(self, run: str) -> str:
        (job,) = json.loads(self.platform.hpc("status", run, "--json").stdout)["jobs"]
        return job["job_id"]

    def last(self) -> None:
        """Let a job fail whose notice comes after all notices that there may be of earlier jobs."""
        self.notice(self.run("false"))


@pytest.fixture(scope="module")
def watch(platform: Platform) -> Watch:
    return Watch(platform)


def test_a_failed_job_is_told_with_the_named_fields_and_without_its_command(watch: Watch) -> None:
    job_id = watch.run("bash", "-c", f"echo {MARK}; exit 3")
    notice = watch.notice(job_id)
    assert set(notice) == FIELDS | {"notice", "environment", "next"}
    assert (notice["notice"], notice["environment"]) == ("Job failed", "dev")
    assert (notice["status"], notice["exitCode"]) == ("FAILED", "3")
    assert notice["statusReason"] == "Essential container in task exited"
    assert MARK not in json.dumps(notice)
    command = notice["next"].removeprefix("HPC_ENV=dev ").split()
    assert MARK in watch.platform.hpc(*command[1:]).stdout


def test_the_history_holds_every_state_with_the_named_fields_only(watch: Watch) -> None:
    job_id = watch.run("bash", "-c", f": {MARK}")
    entries = watch.history(job_id)
    assert [item["status"] for item in entries] == ["PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]
    assert all(set(item) == FIELDS for item in entries)
    assert MARK not in json.dumps(entries)
    assert int(entries[-1]["createdAt"]) <= int(entries[-1]["startedAt"]) <= int(entries[-1]["stoppedAt"])
    assert "hpc:run:" in entries[-1]["tags"].replace(" ", "")


def test_a_job_that_succeeded_is_no_notice(watch: Watch) -> None:
    job_id = watch.run("true")
    watch.last()
    assert watch.of(job_id) == []


def test_an_array_job_is_told_once_and_its_children_are_in_the_history(watch: Watch) -> None:
    run = watch.platform.submit("--array", "3", "--", "bash", "-c", "exit $((HPC_INDEX == 1))")
    watch.platform.wait(run)
    job_id = watch.job_id(run)
    assert watch.notice(job_id)["arraySize"] == "3"
    watch.last()
    assert all(watch.of(f"{job_id}:{index}") == [] for index in range(3))
    assert [watch.history(f"{job_id}:{index}")[-1]["status"] for index in range(3)] == [
        "SUCCEEDED", "FAILED", "SUCCEEDED",
    ]  # fmt: skip


def test_a_reason_with_a_quotation_mark_does_not_lose_the_notice(watch: Watch) -> None:
    run = watch.platform.submit("--", "sleep", "60")
    job_id = watch.job_id(run)
    watch.batch.terminate_job(jobId=job_id, reason='said "no" \\')
    assert watch.notice(job_id)["statusReason"] == "(cannot be passed on: see the job)"
    assert watch.history(job_id)[-1]["status"] == "FAILED"


@pytest.fixture
def foreign_queue(watch: Watch) -> Iterator[str]:
    """A queue that is not the environment's, on a compute environment of it."""
    (environment, *_) = watch.batch.describe_compute_environments()["computeEnvironments"]
    order = [{"order": 1, "computeEnvironment": environment["computeEnvironmentArn"]}]
    arn = watch.batch.create_job_queue(jobQueueName="foreign", priority=1, computeEnvironmentOrder=order)["jobQueueArn"]
    yield arn
    watch.batch.update_job_queue(jobQueue=arn, state="DISABLED")
    watch.batch.delete_job_queue(jobQueue=arn)


def submit(watch: Watch, queue: str, vcpus: str) -> str:
    (definition, *_) = watch.batch.describe_job_definitions(jobDefinitionName="hpc-dev-default-task")["jobDefinitions"]
    overrides = {
        "command": ["false", MARK],
        "environment": [{"name": "WORD", "value": MARK}],
        "resourceRequirements": [{"type": "VCPU", "value": vcpus}],
    }
    return watch.batch.submit_job(
        jobName="direct", jobQueue=queue, jobDefinition=definition["jobDefinitionArn"], containerOverrides=overrides
    )["jobId"]


def test_a_job_of_another_queue_is_nobodys_business(watch: Watch, foreign_queue: str) -> None:
    job_id = submit(watch, foreign_queue, "1")
    wait_for(lambda: watch.batch.describe_jobs(jobs=[job_id])["jobs"][0]["status"] == "FAILED")
    watch.last()
    assert watch.of(job_id) == []
    assert watch.history(job_id) == []


def test_a_blocked_queue_is_told_with_its_reason(watch: Watch) -> None:
    parameters = watch.client("ssm").get_parameters_by_path(Path="/hpc-operations/dev/queues")["Parameters"]
    job_id = submit(watch, parameters[0]["Value"], "100000")
    try:
        notice = watch.notice(job_id)
        assert notice["notice"] == "Queue blocked by the job at its head"
        assert notice["statusReason"] == "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"
        assert (notice["status"], notice["jobQueue"]) == ("RUNNABLE", parameters[0]["Value"])
        assert MARK not in json.dumps([notice, watch.history(job_id)])
    finally:
        watch.batch.terminate_job(jobId=job_id, reason="end of the test")
