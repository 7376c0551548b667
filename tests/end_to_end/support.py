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

    def client(self, service: str) -> Any:
        """Return a client of the local cloud."""
        return boto3.client(
            service, endpoint_url=self.cloud.url, region_name="us-east-1", aws_access_key_id="test",
            aws_secret_access_key="test",
        )  # fmt: skip

    def calls(self, operation: str) -> int:
        """Return how many calls of an operation the local cloud has seen."""
        return sum(call["operation"] == operation for call in self.cloud.calls())
