"""`hpc` on a faulty line, and what came of a run: counted by what its tasks left in S3, and by its Batch jobs."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from localcloud.faults import FaultyLine
from localcloud.session import LocalCloud
from tests.end_to_end import prefork

CLI = Path(__file__).with_name("cli.py")
LEAVE_A_MARK = ("bash", "-c", "touch $HPC_OUTPUT_DIR/$(cat /proc/sys/kernel/random/uuid)")
"""Each execution of the task leaves an object of its own."""
PARTS = {"hpc.plan.run_request.MAX_ARRAY": 2}
SUBMIT_JOB = {"service": "batch", "operation": "SubmitJob"}
MAIN = "tests.end_to_end.faults.cli:main"
BOUND_S = 150
END_BOUND_S = 600
"""For the end of a run's jobs: a sweep of 500 has to be executed."""


@dataclass
class Outcome:
    """What a run came to."""

    run_id: str
    executed: Counter[int]
    """How often each task was executed."""
    jobs: list[dict[str, Any]]
    """Every Batch job of the run, as DescribeJobs tells it."""

    def lost(self, tasks: int) -> int:
        return sum(self.executed[index] == 0 for index in range(tasks))

    @property
    def twice(self) -> int:
        return sum(count > 1 for count in self.executed.values())

    def extra(self) -> list[dict[str, Any]]:
        """Return the jobs beyond one for each name."""
        names = Counter(job["jobName"] for job in self.jobs)
        doubled = {name for name, count in names.items() if count > 1}
        return [job for job in self.jobs if job["jobName"] in doubled and job["status"] != "SUCCEEDED"]


@dataclass
class Bench:
    """A user with a state folder of their own, on a line of their own."""

    cloud: LocalCloud
    line: FaultyLine
    folder: Path
    knobs: dict[str, Any] = field(default_factory=lambda: dict(PARTS))

    def environment(self) -> dict[str, str]:
        return os.environ | self.cloud.environment() | {
            "AWS_ENDPOINT_URL": self.line.url,
            "HPC_ENV": "dev",
            "XDG_STATE_HOME": str(self.folder / "state"),
            "FAULT_KNOBS": json.dumps(self.knobs),
        }  # fmt: skip

    def start(self, *arguments: str, **changes: str) -> prefork.Process:
        return prefork.Process(arguments, self.environment() | changes, Path.cwd(), MAIN)

    def hpc(self, *arguments: str, prefix: tuple[str, ...] = (), **changes: str) -> subprocess.CompletedProcess[str]:
        """Run `hpc`; below a prefix it is started by an interpreter of its own."""
        if prefix:
            command = [*prefix, sys.executable, str(CLI), *arguments]
            env = self.environment() | changes
            ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=BOUND_S, check=False)
        else:
            process = self.start(*arguments, **changes)
            out, err = process.communicate(timeout=BOUND_S)
            assert process.returncode is not None
            ended = subprocess.CompletedProcess(process.args, process.returncode, out, err)
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended

    def submit(self, tasks: int = 4, *options: str) -> subprocess.CompletedProcess[str]:
        return self.hpc("submit", "--array", str(tasks), *options, "--", *LEAVE_A_MARK)

    def may_have_extra(self, run_id: str) -> bool:
        """Return whether the record of the run says that a part may have been sent twice."""
        record = json.loads((self.folder / "state" / "hpc" / "dev" / f"{run_id}.json").read_text())
        return not all(part["settled"] for part in record["parts"])

    def outcome(self, run_id: str) -> Outcome:
        """Wait until every job of the run has ended; then count. ListJobs must not lag."""
        batch, s3 = _client(self.cloud.url, "batch"), _client(self.cloud.url, "s3")
        deadline = time.monotonic() + END_BOUND_S
        while True:
            listed = self._listed(batch, run_id)
            if all(job["status"] in ("SUCCEEDED", "FAILED") for job in listed):
                break
            assert time.monotonic() < deadline, f"{run_id}: {[job['status'] for job in listed]}"
            time.sleep(0.2)
        ids = [job["jobId"] for job in listed]
        jobs = list[dict[str, Any]]()
        for start in range(0, len(ids), 100):
            jobs += batch.describe_jobs(jobs=ids[start : start + 100])["jobs"]
        bucket = next(item["Name"] for item in s3.list_buckets()["Buckets"] if "databucket" in item["Name"])
        prefix = f"default/runs/{run_id}/outputs/"
        executed = Counter[int]()
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                executed[int(item["Key"].removeprefix(prefix).partition("/")[0])] += 1
        return Outcome(run_id, executed, jobs)

    @staticmethod
    def _listed(batch: Any, run_id: str) -> list[dict[str, Any]]:
        found = list[dict[str, Any]]()
        for queue in batch.describe_job_queues()["jobQueues"]:
            names = [{"name": "JOB_NAME", "values": [f"{run_id}-*"]}]
            for page in batch.get_paginator("list_jobs").paginate(jobQueue=queue["jobQueueName"], filters=names):
                found += page["jobSummaryList"]
        return found


@functools.cache
def _client(url: str, service: str) -> Any:
    """Return a client that several threads share; the default session is not for them."""
    return boto3.Session().client(
        service, endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


def run_id_of(stderr: str) -> str:
    """Return the run id that `hpc submit` shows before its first call."""
    return next(line for line in stderr.splitlines() if line.startswith("run ")).removeprefix("run ")
