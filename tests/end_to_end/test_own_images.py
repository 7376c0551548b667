"""Containers and secrets of a project's own, from `hpc submit --image` to the command that runs in them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.deployment import ROOT
from localcloud.session import LocalCloud
from tests.end_to_end.support import NewDeployment, Platform, client, deploy
from tests.hpc.aws.tiny_registry import TinyRegistry, tiny_registry

pytestmark = pytest.mark.slow

VALUE = "s3cr3t-of-the-license-server"
NODE = ["hpc-node"]


@pytest.fixture(scope="module")
def registry() -> Iterator[TinyRegistry]:
    with tiny_registry() as made:
        yield made


@pytest.fixture(scope="module")
def own(
    tmp_path_factory: pytest.TempPathFactory, registry: TinyRegistry, new_deployment: NewDeployment
) -> Iterator[Platform]:
    """`environments/dev.yaml` with a source of images, a secret, and a project without either."""
    folder = tmp_path_factory.mktemp("own")
    with LocalCloud(folder / "cloud") as cloud:
        secret = client(cloud, "secretsmanager").create_secret(Name="license", SecretString=json.dumps({"key": VALUE}))
        text = (ROOT / "environments" / "dev.yaml").read_text()
        line = "    own_images: true # its developers may bring containers of their own\n"
        assert text.count(line) == 1
        more = f"    image_sources: ['{registry.host}/tools']\n    secrets: ['{secret['ARN']}']\n  climate: {{}}\n"
        (folder / "dev.yaml").write_text(text.replace(line, line + more))
        deployment = new_deployment(cloud, "dev", folder, environments=folder)
        deploy(deployment)
        yield Platform(deployment)


@pytest.fixture(scope="module")
def repository(own: Platform) -> str:
    """The project's own, as the contract names it."""
    value = own.client("ssm").get_parameter(Name="/hpc/dev/projects/default")["Parameter"]["Value"]
    return json.loads(value)["own_repository"]


@pytest.fixture(scope="module")
def arn(own: Platform) -> str:
    return own.client("secretsmanager").describe_secret(SecretId="license")["ARN"]


def push(own: Platform, repository: str, tag: str, *options: str) -> str:
    """Push as a developer does; return the digest."""
    command = [sys.executable, "-m", "localcloud", "push-image", "--repository", repository, "--tag", tag, *options]
    return own.deployment.run(*command)


def jobs(own: Platform, run: str) -> list[dict[str, Any]]:
    ids = [job["job_id"] for job in json.loads(own.hpc("status", run, "--json").stdout)["jobs"]]
    return own.client("batch").describe_jobs(jobs=ids)["jobs"]


def test_a_job_runs_in_the_image_and_a_second_submission_registers_nothing(
    own: Platform, repository: str, output: Path
) -> None:
    digest = push(own, repository, "v1", "--env", "FLAVOUR=salt")
    command = ("--image", f"{repository}:v1", "--output", "OUT", "--", "bash", "-c", "echo $FLAVOUR > $OUT")
    before = own.calls("RegisterJobDefinition")
    first = own.submit(*command)
    assert own.wait(first) == 0
    assert own.hpc("fetch", first, "--to", str(output)).returncode == 0
    assert (output / "0" / "OUT").read_text() == "salt\n"
    second = own.submit(*command)
    assert own.calls("RegisterJobDefinition") == before + 1
    (one,), (other,) = jobs(own, first), jobs(own, second)
    assert one["jobDefinition"] == other["jobDefinition"]
    assert "job-definition/hpc_dev_default_task_" in one["jobDefinition"]
    container = one["container"]
    assert (container["image"], container["user"], container["privileged"]) == (f"{repository}@{digest}", "1000", False)


def test_a_dry_run_prints_the_registration_and_sends_none(own: Platform, repository: str) -> None:
    push(own, repository, "dry")
    before = own.calls("RegisterJobDefinition")
    planned = json.loads(own.hpc("submit", "--dry-run", "--image", f"{repository}:dry", "--", "true").stdout)
    assert planned["submit_job"][0]["jobDefinition"] == planned["register_job_definition"]["jobDefinitionName"]
    assert own.calls("RegisterJobDefinition") == before


def test_the_nodes_of_a_multi_node_job_run_in_the_image_with_the_slots_asked_for(
    own: Platform, repository: str
) -> None:
    push(own, repository, "mpi", "--env", "FLAVOUR=pepper")
    options = ("--image", f"{repository}:mpi", "--nodes", "2", "--slots-per-node", "3")
    ranks = "mpirun bash -c 'echo $FLAVOUR >> $HPC_NODE_LOG'"
    run = own.submit(*options, "--", "bash", "-c", f"cat $HPC_HOSTFILE; {ranks}")
    assert own.wait(run) == 0, own.logs(run)
    log = own.logs(run)
    assert log.count("slots=3") == 2
    assert log.count("pepper") == 6


def test_a_secret_reaches_the_command_and_stands_nowhere(own: Platform, arn: str) -> None:
    run = own.submit("--secret", f"LICENSE={arn}:key::", "--", "bash", "-c", "echo ${#LICENSE} ${LICENSE:0:6}")
    assert own.wait(run) == 0
    assert f"{len(VALUE)} {VALUE[:6]}" in own.logs(run).splitlines()
    (job,) = jobs(own, run)
    assert job["container"]["secrets"] == [{"name": "LICENSE", "valueFrom": f"{arn}:key::"}]
    assert VALUE not in json.dumps(job, default=str)
    s3 = own.client("s3")
    (bucket,) = [item["Name"] for item in s3.list_buckets()["Buckets"] if "databucket" in item["Name"]]
    for item in s3.list_objects_v2(Bucket=bucket, Prefix=f"default/runs/{run}/")["Contents"]:
        text = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        assert VALUE.encode() not in text
        assert b"LICENSE=" not in text


def refused(own: Platform, *arguments: str) -> str:
    """Submit what must be refused before anything is sent; return what people read."""
    before = own.calls("RegisterJobDefinition"), own.calls("SubmitJob")
    answer = own.hpc("submit", *arguments, "--", "true")
    assert (answer.returncode, answer.stdout) == (2, ""), answer.stderr
    assert (own.calls("RegisterJobDefinition"), own.calls("SubmitJob")) == before
    return answer.stderr


def test_an_image_for_arm_is_refused(own: Platform, repository: str) -> None:
    push(own, repository, "arm", "--architecture", "arm64")
    assert "is for arm64, the instances of queue loosely-coupled are x86_64" in refused(
        own, "--image", f"{repository}:arm"
    )


def test_an_image_that_is_not_there_is_refused(own: Platform, repository: str) -> None:
    assert "has no such image" in refused(own, "--image", f"{repository}:none")
    assert "has no such image" in refused(own, "--image", f"{repository}@sha256:{'0' * 64}")


def test_an_image_without_hpc_node_is_refused(own: Platform, repository: str) -> None:
    push(own, repository, "plain", "--entrypoint", "bash")
    assert "starts bash, not hpc-node" in refused(own, "--image", f"{repository}:plain")


def test_a_secret_that_the_project_does_not_list_is_refused(own: Platform, arn: str) -> None:
    text = refused(own, "--secret", f"A={arn.replace('license', 'payroll')}")
    assert "`secrets: [" in text
    assert "in projects.default of environments/dev.yaml" in text


def test_a_project_without_developer_policy_is_told_the_line(own: Platform, repository: str) -> None:
    text = refused(own, "--project", "climate", "--image", f"{repository}:v1")
    assert "`own_images: true` to projects.climate of environments/dev.yaml" in text


def test_another_registry_says_what_a_tag_is_and_when_it_does_not_a_digest_is_wanted(
    own: Platform, registry: TinyRegistry
) -> None:
    digest = registry.push("tools/solver", "v1", NODE, "amd64", "arm64")
    command = ("submit", "--dry-run", "--image", f"{registry.host}/tools/solver:v1", "--", "true")
    planned = json.loads(own.hpc(*command).stdout)
    container = planned["register_job_definition"]["containerProperties"]
    assert container["image"] == f"{registry.host}/tools/solver@{digest}"
    registry.broken = True
    try:
        silent = own.hpc(*command)
        by_digest = own.hpc("submit", "--dry-run", "--image", container["image"], "--", "true")
    finally:
        registry.broken = False
    assert silent.returncode == 2
    assert "give the image by digest" in silent.stderr
    assert json.loads(by_digest.stdout)["register_job_definition"] == planned["register_job_definition"]
    assert "not verified" in by_digest.stderr


def test_definitions_lists_what_is_deployed_and_what_was_made_and_takes_their_names(
    own: Platform, repository: str
) -> None:
    digest = push(own, repository, "listed", "--env", "FLAVOUR=sweet")
    own.submit("--image", f"{repository}:listed", "--", "true")
    found = json.loads(own.hpc("definitions", "--json").stdout)
    deployed = {(item["project"], item["name"]) for item in found if not item["own"]}
    assert deployed == {(project, name) for project in ("default", "climate") for name in ("task", "mpi")}
    (made,) = [item for item in found if item["image"] == f"{repository}@{digest}"]
    assert (made["own"], made["project"], made["user"], made["vcpus"], made["memory_mib"]) == (
        True, "default", "1000", 1, 2048,
    )  # fmt: skip
    table: subprocess.CompletedProcess[str] = own.hpc("definitions", "--project", "default")
    assert made["name"] in table.stdout
    run = own.submit("--definition", made["name"], "--", "bash", "-c", "echo $FLAVOUR")
    assert own.wait(run) == 0
    assert "sweet" in own.logs(run).splitlines()
