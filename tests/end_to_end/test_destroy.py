from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from examples.deployment import Deployment
from localcloud.session import LocalCloud

pytestmark = pytest.mark.slow


def test_an_environment_with_data_goes_and_leaves_nothing(tmp_path: Path) -> None:
    with LocalCloud(tmp_path / "cloud") as cloud:
        deployment = Deployment(cloud, "dev", tmp_path)
        deployment.bootstrap()
        deployment.deploy_foundation()
        deployment.deploy_all(deployment.push_image())
        deployment.hpc("submit", "--wait", "--output", "OUT", "--", "bash", "-c", "echo data > $OUT")
        deployment.destroy_all()
        client = {"endpoint_url": cloud.url, "region_name": "us-east-1"}
        credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        names = [stack["StackName"] for stack in _stacks(boto3.client("cloudformation", **client, **credentials))]
        assert names == ["CDKToolkit"]
        batch = boto3.client("batch", **client, **credentials)
        assert batch.describe_compute_environments()["computeEnvironments"] == []
        assert batch.describe_job_queues()["jobQueues"] == []
        buckets = boto3.client("s3", **client, **credentials).list_buckets()["Buckets"]
        assert all(bucket["Name"].startswith("cdk-") for bucket in buckets)
        of = {
            name: boto3.client(name, **client, **credentials) for name in ("events", "sns", "sqs", "logs", "cloudwatch")
        }
        assert of["events"].list_rules()["Rules"] == []
        assert of["sns"].list_topics()["Topics"] == []
        assert of["sqs"].list_queues().get("QueueUrls", []) == []
        assert of["logs"].describe_log_groups()["logGroups"] == []
        assert of["logs"].describe_resource_policies()["resourcePolicies"] == []
        assert of["cloudwatch"].describe_alarms()["MetricAlarms"] == []
        assert of["cloudwatch"].list_dashboards()["DashboardEntries"] == []
        parameters = boto3.client("ssm", **client, **credentials).describe_parameters()["Parameters"]
        assert all(item["Name"].startswith("/cdk-bootstrap/") for item in parameters)


def test_an_environment_whose_data_is_kept_is_not_emptied(tmp_path: Path) -> None:
    with LocalCloud(tmp_path / "cloud") as cloud:
        answer = Deployment(cloud, "minimal", tmp_path).attempt("python", "-m", "tools.destroy", "minimal", "--yes")
    assert answer.returncode == 1
    assert "removal: retain" in answer.stderr


def _stacks(cloudformation: object) -> list[dict[str, str]]:
    summaries = cloudformation.list_stacks()["StackSummaries"]  # type: ignore[attr-defined]
    return [stack for stack in summaries if stack["StackStatus"] != "DELETE_COMPLETE"]
