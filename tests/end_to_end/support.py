"""What the end-to-end tests do with a deployed environment: call the real `hpc`, and look at the calls it made."""

from __future__ import annotations

import re
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Any

import boto3

from examples.deployment import Deployment
from localcloud.session import LocalCloud

BOOTSTRAP = re.compile("^/?cdk-|^CDKToolkit")


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
