"""Environments that change, that fail at first, and that go: by the real CDK CLI, as a platform team does it."""

from __future__ import annotations

import base64
import email
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.deployment import ROOT, CommandFailed
from localcloud.session import LocalCloud
from tests.end_to_end.support import (
    NewDeployment,
    answer_of_a_job,
    client,
    fill_the_quota_of_gateway_endpoints,
    kept,
    stacks,
)
from tests.end_to_end.test_networks import make_vpc

pytestmark = pytest.mark.slow

BEFORE = """
removal: destroy
compute_environments:
  spot: {instance_types: [c6i]}
"""
AFTER = """
removal: destroy
compute_environments:
  spot:
    instance_types: [c6i, c7i]
    user_data: [echo "our own" >> /etc/motd]
"""


def described(cloud: LocalCloud, name: str) -> dict[str, Any]:
    """Return a compute environment of the environment `team`."""
    found = client(cloud, "batch").describe_compute_environments()["computeEnvironments"]
    (one,) = [item for item in found if item["computeResources"]["tags"]["Name"] == f"hpc-team-{name}"]
    return one


def user_data(cloud: LocalCloud, environment: dict[str, Any]) -> str:
    """Return all scripts of the version of the launch template that the compute environment uses."""
    used = environment["computeResources"]["launchTemplate"]
    (version,) = client(cloud, "ec2").describe_launch_template_versions(
        LaunchTemplateId=used["launchTemplateId"], Versions=[used["version"]]
    )["LaunchTemplateVersions"]
    whole = email.message_from_bytes(base64.b64decode(version["LaunchTemplateData"]["UserData"]))
    return "\n".join(part.get_payload(decode=True).decode() for part in whole.walk() if not part.is_multipart())


def wait_for(condition: Callable[[], Any], timeout_s: float = 20) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.05)
    return value


def write(folder: Path, name: str, text: str) -> Path:
    environments = folder / "environments"
    environments.mkdir(exist_ok=True)
    (environments / f"{name}.yaml").write_text(text)
    return environments


def test_an_instance_type_and_user_data_reach_the_fleet_and_a_running_job_goes_on(
    tmp_path: Path, new_deployment: NewDeployment
) -> None:
    with LocalCloud(tmp_path / "cloud") as cloud:
        deployment = new_deployment(cloud, "team", tmp_path, write(tmp_path, "team", BEFORE))
        deployment.bootstrap()
        deployment.deploy_foundation()
        digest = deployment.push_image()
        deployment.deploy_all(digest)
        before, untouched = described(cloud, "spot"), described(cloud, "on-demand")
        flag = tmp_path / "flag"
        script = f"until test -e {flag}; do sleep 0.1; done; echo survived > $OUT"
        run = deployment.hpc("submit", "--output", "OUT", "--", "bash", "-c", script)
        (task,) = wait_for(lambda: [item for job in cloud.jobs() for item in job["tasks"]])

        write(tmp_path, "team", AFTER)
        deployment.deploy_all(digest)

        after = described(cloud, "spot")
        assert after["computeEnvironmentArn"] == before["computeEnvironmentArn"]
        assert after["computeResources"]["instanceTypes"] == ["c6i", "c7i"]
        versions = [item["computeResources"]["launchTemplate"]["version"] for item in (before, after)]
        assert versions == ["1", "2"]
        assert "our own" not in user_data(cloud, before)
        assert 'echo "our own" >> /etc/motd' in user_data(cloud, after)
        assert described(cloud, "on-demand")["computeResources"] == untouched["computeResources"]
        assert [item for job in cloud.jobs() for item in job["tasks"]] == [task]
        flag.touch()
        assert deployment.attempt("hpc", "wait", run).returncode == 0
        deployment.hpc("fetch", run, "--to", str(tmp_path / "fetched"))
        assert (tmp_path / "fetched" / "0" / "OUT").read_text() == "survived\n"


def test_a_zone_goes_once_the_compute_environments_have_left_it(tmp_path: Path, new_deployment: NewDeployment) -> None:
    """As docs/reading-a-change.md says: `deploy --all` is refused, since a subnet's export is in use; the compute stack
    goes first."""
    with LocalCloud(tmp_path / "cloud") as cloud:
        deployment = new_deployment(cloud, "team", tmp_path, write(tmp_path, "team", "network: {zones: 3}\n"))
        deployment.bootstrap()
        deployment.deploy_foundation()
        digest = deployment.push_image()
        deployment.deploy_all(digest)
        subnets = described(cloud, "spot")["computeResources"]["subnets"]
        destroy = ("destroy", "HpcTeamFoundation", "--exclusively", "--force")
        with pytest.raises(CommandFailed, match="Failed to destroy HpcTeamFoundation"):
            deployment.cdk(*destroy, app=deployment.assembly)

        write(tmp_path, "team", "network: {zones: 2}\n")
        with pytest.raises(CommandFailed, match="as it is in use by HpcTeamCompute"):
            deployment.deploy_all(digest)
        assert described(cloud, "spot")["computeResources"]["subnets"] == subnets
        assert existing(cloud, subnets) == set(subnets)

        image = ("--require-approval", "never", "--context", f"image_digest={digest}")
        deployment.cdk("deploy", "HpcTeamCompute", "--exclusively", *image)
        deployment.deploy_all(digest)
        assert existing(cloud, subnets) == set(described(cloud, "spot")["computeResources"]["subnets"])
        assert len(existing(cloud, subnets)) == 2
        assert answer_of_a_job(deployment) == "42\n"


def existing(cloud: LocalCloud, subnets: list[str]) -> set[str]:
    """Return those of the subnets that there are."""
    found = client(cloud, "ec2").describe_subnets(Filters=[{"Name": "subnet-id", "Values": subnets}])["Subnets"]
    return {item["SubnetId"] for item in found}


def test_a_foundation_that_failed_at_first_leaves_nothing_in_the_way(
    tmp_path: Path, new_deployment: NewDeployment
) -> None:
    with LocalCloud(tmp_path / "cloud") as cloud:
        deployment = new_deployment(cloud, "minimal", tmp_path)
        deployment.bootstrap()
        others = fill_the_quota_of_gateway_endpoints(cloud)
        before = kept(cloud)
        with pytest.raises(CommandFailed, match="maximum number of VPC endpoints"):
            deployment.deploy_foundation()
        events = client(cloud, "cloudformation").get_paginator("describe_stack_events")
        made = {
            item["ResourceType"]
            for page in events.paginate(StackName="HpcMinimalFoundation")
            for item in page["StackEvents"]
            if item["ResourceStatus"] == "CREATE_COMPLETE"
        }
        assert "AWS::S3::Bucket" in made, "else the failure came before there was anything to keep"
        assert kept(cloud) == before

        client(cloud, "ec2").delete_vpc_endpoints(VpcEndpointIds=others[:1])
        deployment.deploy_foundation()
        deployment.deploy_all(deployment.push_image())
        assert answer_of_a_job(deployment) == "42\n"


EXISTING = """
network:
  vpc_id: {vpc}
  subnet_ids: [{subnets}]
"""


def test_compute_environments_that_were_refused_at_first_are_made_later(
    tmp_path: Path, new_deployment: NewDeployment
) -> None:
    with LocalCloud(tmp_path / "cloud") as cloud:
        vpc, subnets = make_vpc(client(cloud, "ec2"))
        wrong = EXISTING.format(vpc=vpc, subnets="subnet-0123456789abcdef0")
        deployment = new_deployment(cloud, "team", tmp_path, write(tmp_path, "team", wrong))
        deployment.bootstrap()
        deployment.deploy_foundation()
        digest, before = deployment.push_image(), kept(cloud)
        with pytest.raises(CommandFailed, match="'subnet-0123456789abcdef0' does not exist"):
            deployment.deploy_all(digest)
        (failed,) = client(cloud, "cloudformation").describe_stacks(StackName="HpcTeamCompute")["Stacks"]
        assert failed["StackStatus"] == "ROLLBACK_COMPLETE"
        assert kept(cloud) == before

        write(tmp_path, "team", EXISTING.format(vpc=vpc, subnets=", ".join(subnets)))
        deployment.deploy_all(digest)
        assert answer_of_a_job(deployment) == "42\n"


def test_prod_keeps_its_data_and_nothing_else_and_can_be_made_again(
    tmp_path: Path, new_deployment: NewDeployment
) -> None:
    environments = Path(shutil.copytree(ROOT / "environments", tmp_path / "environments"))
    with LocalCloud(tmp_path / "cloud") as cloud:
        deployment = new_deployment(cloud, "prod", tmp_path, environments)
        deployment.bootstrap()
        before = kept(cloud)
        assert before == {}
        deployment.deploy_foundation()
        image = deployment.push_image()
        deployment.deploy_all(image)
        first = deployment.hpc("submit", "--project", "research", "--wait", "--", "echo", "one")
        queues = json.loads(deployment.hpc("queues", "--json"))
        assert {"loosely-coupled", "on-demand", "local-disk", "tightly-coupled"} == {item["name"] for item in queues}

        with pytest.raises(CommandFailed, match="TerminationProtection is enabled"):
            deployment.cdk("destroy", "--all", "--force")
        file = environments / "prod.yaml"
        file.write_text(file.read_text().replace("termination_protection: true", "termination_protection: false"))
        deployment.deploy_all(image)
        deployment.cdk("destroy", "--all", "--force")
        assert stacks(cloud) == ["CDKToolkit"]
        left = kept(cloud)
        counts = {kind: len(names) for kind, names in left.items()}
        assert counts == {"buckets": 2, "repositories": 2, "log groups": 3, "keys": 1}
        (bucket,) = [name for name in left["buckets"] if "accesslogs" not in name]
        objects = client(cloud, "s3").list_objects_v2(Bucket=bucket, Prefix=f"research/runs/{first}/")
        assert objects["KeyCount"] > 0, "what the job left is still there"

        deployment.deploy_foundation()
        deployment.deploy_all(deployment.push_image())
        again = kept(cloud)
        assert all(left[kind] < again[kind] for kind in left), "new ones beside the old ones"
        assert answer_of_a_job(deployment) == "42\n"
