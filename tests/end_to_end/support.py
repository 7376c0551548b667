"""What the end-to-end tests do with a deployed environment: call the real `hpc`, and look at the calls it made."""

from __future__ import annotations

from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Any

import boto3

from examples.deployment import Deployment
from localcloud.session import LocalCloud


@dataclass(frozen=True)
class Platform:
    """A deployed environment, and `hpc` on it."""

    deployment: Deployment

    @property
    def cloud(self) -> LocalCloud:
        return self.deployment.cloud

    def hpc(self, *arguments: str) -> CompletedProcess[str]:
        return self.deployment.attempt("hpc", *arguments)

    def submit(self, *arguments: str) -> str:
        """Submit what must be accepted; return the run id."""
        answer = self.hpc("submit", *arguments)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()

    def wait(self, run: str) -> int:
        return self.hpc("wait", run).returncode

    def logs(self, run: str) -> str:
        answer = self.hpc("logs", run)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def calls(self, operation: str) -> int:
        """Return how many calls of an operation the local cloud has seen."""
        return sum(call["operation"] == operation for call in self.cloud.calls())


def client(cloud: LocalCloud, service: str) -> Any:
    return boto3.client(
        service, endpoint_url=cloud.url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


def deploy(deployment: Deployment) -> None:
    deployment.bootstrap()
    deployment.deploy_foundation()
    deployment.deploy_all(deployment.push_image())


def answer_of_a_job(deployment: Deployment) -> str:
    """Run a job that reads what it was given and leaves a file behind; return the file."""
    run = deployment.hpc("submit", "--wait", "--output", "OUT", "--", "bash", "-c", "echo $((6 * 7)) > $OUT")
    deployment.hpc("fetch", run, "--to", str(deployment.folder / "fetched"))
    return (deployment.folder / "fetched" / "0" / "OUT").read_text()


def stacks(cloud: LocalCloud) -> list[str]:
    found = client(cloud, "cloudformation").list_stacks()["StackSummaries"]
    return [item["StackName"] for item in found if item["StackStatus"] != "DELETE_COMPLETE"]
