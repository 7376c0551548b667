"""What the end-to-end tests do with a deployed environment: call the real `hpc`, and look at the calls it made."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import aws_cdk as cdk
import boto3

from app import build
from examples.deployment import ROOT, Deployment
from hpc_constructs import rules
from hpc_constructs.config import load
from localcloud.session import LocalCloud
from tests.end_to_end import prefork
from tests.workers import once

BOOTSTRAP_PARAMETERS = {
    "FileAssetsBucketKmsKeyId": "AWS_MANAGED_KEY",
    "CloudFormationExecutionPolicies": "arn:aws:iam::aws:policy/AdministratorAccess",
}
"""As the CDK CLI has them."""
BOOTSTRAP = re.compile("^/?cdk-|^CDKToolkit")
COMMAND_TIMEOUT_S = 240
"""For one `hpc` command: several times the longest."""


@dataclass(frozen=True)
class Synthesized(Deployment):
    """Deploys by the real CDK CLI what `app.py` would give it, synthesized once for all workers, its rules checked."""

    shared: Path = field(kw_only=True)

    def attempt(self, *command: str, cwd: Path = ROOT, show: bool = False) -> CompletedProcess[str]:
        if command[0] != "hpc" or show:
            return super().attempt(*command, cwd=cwd, show=show)
        ended = prefork.run(*command[1:], env=os.environ | self.variables, cwd=cwd, timeout=COMMAND_TIMEOUT_S)
        with (self.folder / "commands.log").open("a") as log:
            log.write(f"$ {shlex.join(command)}\n{ended.stderr}{ended.stdout}\n")
        return ended

    def bootstrap(self) -> None:
        """Deploy the stack that `cdk bootstrap` deploys."""

        def show(folder: Path) -> None:
            (folder / "template.yaml").write_text(self.run("cdk", "bootstrap", "--show-template", cwd=self.folder))

        template = (once(self.shared / "bootstrap", show) / "template.yaml").read_text()
        cloudformation = client(self.cloud, "cloudformation")
        cloudformation.create_stack(
            StackName="CDKToolkit",
            TemplateBody=template,
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in BOOTSTRAP_PARAMETERS.items()],
        )
        cloudformation.get_waiter("stack_create_complete").wait(StackName="CDKToolkit", WaiterConfig={"Delay": 0.1})

    def cdk(self, *arguments: str, app: Path | None = None) -> str:
        if app is None and arguments[0] in {"deploy", "destroy"}:
            given = [word.removeprefix("image_digest=") for word in arguments if word.startswith("image_digest=")]
            app = self._synthesized(*given)
        return super().cdk(*arguments, app=app)

    @property
    def assembly(self) -> Path:
        return self._synthesized()

    def _synthesized(self, digest: str | None = None) -> Path:
        """Return the cloud assembly. The rules are checked where all is to be deployed, then with the image."""
        text = (self.environments / f"{self.environment}.yaml").read_bytes()
        key = hashlib.sha256(json.dumps([self.environment, digest, text.decode()]).encode()).hexdigest()[:16]
        return once(self.shared / "assemblies" / key, lambda folder: self._synthesize(folder, digest))

    def _synthesize(self, folder: Path, digest: str | None) -> None:
        app = cdk.App(analytics_reporting=False, post_cli_context=dict(rules.CONTEXT), outdir=str(folder))
        if digest:
            rules.register(app)
        build(app, load(self.environments, self.environment, digest))
        app.synth()


NewDeployment = Callable[..., Synthesized]
"""Called as `Deployment` is."""


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
        return client(self.cloud, service)

    def calls(self, operation: str) -> int:
        """Return how many calls of an operation the local cloud has seen."""
        return sum(call["operation"] == operation for call in self.cloud.calls())


def client(cloud: LocalCloud, service: str) -> Any:
    return _client(cloud.url, service)


@functools.cache
def _client(url: str, service: str) -> Any:
    return boto3.client(
        service, endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
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


def fill_the_quota_of_gateway_endpoints(cloud: LocalCloud) -> list[str]:
    """Leave no room for another one in the Region; return what there is now."""
    ec2 = client(cloud, "ec2")

    def endpoint() -> str:
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", VpcEndpointType="Gateway")
        return made["VpcEndpoint"]["VpcEndpointId"]

    return [endpoint() for _ in range(20)]


def kept(cloud: LocalCloud) -> dict[str, set[str]]:
    """Return all that holds data or keeps a name, apart from what belongs to the CDK CLI."""
    ecr, kms, logs = client(cloud, "ecr"), client(cloud, "kms"), client(cloud, "logs")
    keys = [kms.describe_key(KeyId=item["KeyId"])["KeyMetadata"] for item in kms.list_keys()["Keys"]]
    found = {
        "buckets": [item["Name"] for item in client(cloud, "s3").list_buckets()["Buckets"]],
        "repositories": [item["repositoryName"] for item in ecr.describe_repositories()["repositories"]],
        "log groups": [item["logGroupName"] for item in logs.describe_log_groups()["logGroups"]],
        "log policies": [item["policyName"] for item in logs.describe_resource_policies()["resourcePolicies"]],
        "parameters": [item["Name"] for item in client(cloud, "ssm").describe_parameters()["Parameters"]],
        "roles": [item["RoleName"] for item in client(cloud, "iam").list_roles()["Roles"]],
        "policies": [item["PolicyName"] for item in client(cloud, "iam").list_policies(Scope="Local")["Policies"]],
        # A deleted key can be called back for some days.
        "keys": [item["KeyId"] for item in keys if item["KeyState"] != "PendingDeletion"],
        "topics": [item["TopicArn"] for item in client(cloud, "sns").list_topics()["Topics"]],
        "queues": client(cloud, "sqs").list_queues().get("QueueUrls", []),
        "rules": [item["Name"] for item in client(cloud, "events").list_rules()["Rules"]],
        "alarms": [item["AlarmName"] for item in client(cloud, "cloudwatch").describe_alarms()["MetricAlarms"]],
        "dashboards": [
            item["DashboardName"] for item in client(cloud, "cloudwatch").list_dashboards()["DashboardEntries"]
        ],
        "endpoints": [item["VpcEndpointId"] for item in client(cloud, "ec2").describe_vpc_endpoints()["VpcEndpoints"]],
        "templates": [
            item["LaunchTemplateId"] for item in client(cloud, "ec2").describe_launch_templates()["LaunchTemplates"]
        ],
        "vpcs": [item["VpcId"] for item in client(cloud, "ec2").describe_vpcs()["Vpcs"] if not item["IsDefault"]],
        "environments": [
            item["computeEnvironmentName"]
            for item in client(cloud, "batch").describe_compute_environments()["computeEnvironments"]
        ],
        "job queues": [item["jobQueueName"] for item in client(cloud, "batch").describe_job_queues()["jobQueues"]],
        "definitions": [
            item["jobDefinitionName"]
            for item in client(cloud, "batch").describe_job_definitions(status="ACTIVE")["jobDefinitions"]
        ],
    }
    own = {kind: {name for name in names if not BOOTSTRAP.search(name)} for kind, names in found.items()}
    return {kind: names for kind, names in own.items() if names}


def stacks(cloud: LocalCloud) -> list[str]:
    found = client(cloud, "cloudformation").list_stacks()["StackSummaries"]
    return [item["StackName"] for item in found if item["StackStatus"] != "DELETE_COMPLETE"]
