"""Clients that nobody here wrote submit to the deployed queues and definitions; `hpc` follows and ends their jobs."""

from __future__ import annotations

import json
import os
import subprocess
import time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.support import Platform

pytestmark = pytest.mark.slow
TIMEOUT_S = 60

LUIGI = """
import sys
import luigi
from luigi.contrib.batch import BatchTask

class Hello(BatchTask):
    poll_time = luigi.IntParameter(default=1)
    text = luigi.Parameter()

    @property
    def parameters(self):
        return {"command": f"echo hello from {self.text}; test {self.text} != broken"}

task = Hello(job_queue=sys.argv[1], job_definition=sys.argv[2], job_name=sys.argv[3], text=sys.argv[4])
sys.exit(0 if luigi.build([task], local_scheduler=True) else 1)
"""


def target(platform: Platform, *options: str) -> dict[str, str]:
    """Return the ARNs of the queue and definition that `hpc submit` would take, as `hpc` prints them."""
    (job,) = json.loads(platform.hpc("submit", "--dry-run", *options, "--", "true").stdout)["submit_job"]
    return {key: job[key] for key in ("jobQueue", "jobDefinition")}


def run(platform: Platform, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of others against the deployment."""
    env = {"PATH": os.environ["PATH"], **platform.deployment.variables}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def luigi(platform: Platform, tools: Path, name: str, text: str) -> subprocess.CompletedProcess[str]:
    where = target(platform)
    return run(platform, tools / "python", "-c", LUIGI, where["jobQueue"], where["jobDefinition"], name, text)


def job_named(platform: Platform, name: str) -> str:
    """Return the id of the only job of a name."""
    filters = [{"name": "JOB_NAME", "values": [name]}]
    found = platform.client("batch").list_jobs(jobQueue=target(platform)["jobQueue"], filters=filters)
    (job,) = found["jobSummaryList"]
    return job["jobId"]


def status(platform: Platform, job: str) -> dict[str, Any]:
    (found,) = json.loads(platform.hpc("status", "--json", job).stdout)["jobs"]
    return found


def wait_for(platform: Platform, job: str, wanted: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while status(platform, job)["status"] != wanted:
        assert time.monotonic() < deadline, f"{job} is not {wanted} within {TIMEOUT_S} s"


def test_luigi_runs_a_batch_task_on_a_deployed_definition(clients: Platform, client_tools: Path) -> None:
    ended = luigi(clients, client_tools, "luigi-hello", "luigi")
    assert ended.returncode == 0, ended.stderr
    job = job_named(clients, "luigi-hello")
    assert clients.logs(job).splitlines() == ["hello from luigi"]
    assert status(clients, job)["status"] == "SUCCEEDED"


def test_luigi_fails_with_the_log_of_a_job_that_failed(clients: Platform, client_tools: Path) -> None:
    ended = luigi(clients, client_tools, "luigi-broken", "broken")
    assert ended.returncode == 1
    job = job_named(clients, "luigi-broken")
    assert f"BatchJobException: Job {job} failed: hello from broken" in ended.stderr
    assert clients.wait(job) == 1


def test_whatever_luigi_calls_the_policy_of_submitters_allows(clients: Platform, client_tools: Path) -> None:
    before = len(clients.cloud.calls())
    assert luigi(clients, client_tools, "luigi-calls", "luigi").returncode == 0
    called = {call["operation"] for call in clients.cloud.calls()[before:] if call["service"] == "batch"}
    assert called >= {"DescribeJobQueues", "SubmitJob", "DescribeJobs"}
    allowed = _allowed(clients, "ProjectsdefaultSubmitter")
    wanted = {*(f"batch:{name}" for name in called), "logs:GetLogEvents"}
    assert [action for action in sorted(wanted) if not any(fnmatchcase(action, item) for item in allowed)] == []


def test_the_aws_cli_submits_and_hpc_follows(clients: Platform, client_tools: Path) -> None:
    where = target(clients)
    override = {"command": ["sh", "-c", "echo from the CLI; exit 7"]}
    ended = run(
        clients, client_tools / "aws", "batch", "submit-job", "--job-name", "cli", "--job-queue", where["jobQueue"],
        "--job-definition", where["jobDefinition"], "--container-overrides", json.dumps(override),
        "--tags", "hpc:project=default", "--query", "jobId", "--output", "text",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    job = ended.stdout.strip()
    assert clients.wait(job) == 7
    assert clients.logs(job).splitlines() == ["from the CLI"]
    assert status(clients, job)["reason"].startswith("exited 7")


def test_boto3_submits_an_array_and_hpc_cancels_it(clients: Platform) -> None:
    batch = clients.client("batch")
    job = batch.submit_job(
        jobName="boto3",
        **target(clients),
        arrayProperties={"size": 2},
        containerOverrides={"command": ["sleep", "600"]},
    )["jobId"]
    wait_for(clients, f"{job}:1", "RUNNING")
    answer = clients.hpc("cancel", job, "--reason", "enough")
    assert (answer.returncode, answer.stdout.strip()) == (0, job)
    assert clients.wait(job) != 0
    assert status(clients, job)["status"] == "FAILED"


def test_boto3_runs_the_same_command_on_every_node_unless_it_asks_for_more(clients: Platform) -> None:
    override = {"targetNodes": "0:", "containerOverrides": {"command": ["sh", "-c", "echo $AWS_BATCH_JOB_NODE_INDEX"]}}
    nodes = {"numNodes": 2, "nodePropertyOverrides": [override]}
    where = target(clients, "--nodes", "2")
    job = clients.client("batch").submit_job(jobName="nodes", **where, nodeOverrides=nodes)["jobId"]
    assert clients.wait(job) == 0
    assert sorted(clients.logs(job).splitlines()) == ["node 0 | 0", "node 1 | 1"]


def test_a_job_without_any_command_says_how_to_give_one(clients: Platform) -> None:
    job = clients.client("batch").submit_job(jobName="empty", **target(clients))["jobId"]
    assert clients.wait(job) == 64
    assert "give a command" in clients.logs(job)


def test_the_outputs_of_such_a_job_are_not_ours_to_fetch(clients: Platform) -> None:
    override = {"command": ["true"]}
    job = clients.client("batch").submit_job(jobName="plain", **target(clients), containerOverrides=override)["jobId"]
    assert clients.wait(job) == 0
    answer = clients.hpc("fetch", job)
    assert answer.returncode != 0
    assert "was not submitted by hpc" in answer.stderr


def _allowed(platform: Platform, logical_id: str) -> list[str]:
    """Return the actions of a deployed managed policy."""
    iam = platform.client("iam")
    (policy,) = [
        item
        for item in iam.list_policies(Scope="Local")["Policies"]
        if logical_id.lower() in item["PolicyName"].lower()
    ]
    version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    document = version["Document"]
    document = json.loads(document) if isinstance(document, str) else document
    actions = [item["Action"] for item in document["Statement"]]
    return [name for item in actions for name in ([item] if isinstance(item, str) else item)]
