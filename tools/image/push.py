"""Push to the repository of an environment, an output of its Foundation stack."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from hpc.contract.objects import ECR_PATTERN
from hpc_stacks.names import stack_name
from tools.image.engine import Engine


@dataclass(frozen=True)
class Repository:
    """A repository of ECR."""

    uri: str
    """URI without tag."""
    region: str
    name: str

    @classmethod
    def of(cls, environment: str) -> Repository:
        """Return the repository of an environment.

        Raises:
            click.ClickException: its Foundation stack is not deployed in this account and Region.
        """
        stack = stack_name(environment, "Foundation")
        region = os.environ.get("AWS_REGION")  # which the AWS CLI reads and boto3 does not
        try:
            described = boto3.client("cloudformation", region_name=region).describe_stacks(StackName=stack)["Stacks"][0]
        except (BotoCoreError, ClientError) as error:
            raise click.ClickException(
                f"{error}; check the credentials and the Region, and deploy it first:"
                f" cdk deploy {stack} -c env={environment}"
            ) from None
        uri = next(item["OutputValue"] for item in described["Outputs"] if item["OutputKey"] == "RepositoryUri")
        found = re.fullmatch(ECR_PATTERN, uri)
        if not found:
            raise click.ClickException(
                f"the stack {stack} calls {uri!r} its repository, which is not an ECR repository"
            )
        return cls(uri, found[2], found[3])


def push(engine: Engine, image: str, environment: str) -> str:
    """Push the image, tagged by its id; return its digest. A second push of the same image sends nothing.

    Raises:
        click.ClickException: the image or the environment does not exist, or the engine or ECR failed.
    """
    image_id = engine.ask("image", "inspect", "--format", "{{.Id}}", image)
    if image_id is None:
        raise click.ClickException(f"{engine.name} has no image {image}: build it by make image")
    repository = Repository.of(environment)
    tag = image_id.removeprefix("sha256:")[:12]
    try:
        ecr = boto3.client("ecr", region_name=repository.region)
        digest = _digest(ecr, repository.name, tag)
        if digest is None:
            _send(engine, ecr, image, repository, tag)
            digest = _digest(ecr, repository.name, tag)
    except (BotoCoreError, ClientError) as error:
        raise click.ClickException(f"{repository.uri}: {error}") from None
    if digest is None:
        raise click.ClickException(f"{repository.uri} has no image {tag} after the push")
    click.echo(f"{repository.uri}@{digest}", err=True)
    return digest


def _digest(ecr: Any, repository: str, tag: str) -> str | None:
    try:
        found = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])["imageDetails"]
    except ecr.exceptions.ImageNotFoundException:
        return None
    return found[0]["imageDigest"] if found else None


def _send(engine: Engine, ecr: Any, image: str, repository: Repository, tag: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # podman's login ends with this file; docker keeps it in its credential store, where it expires in 12 hours.
        logins = Path(folder, "auth.json")
        logins.write_text("{}", encoding="utf-8")
        login = Engine(engine.name, {"REGISTRY_AUTH_FILE": str(logins)})
        plain = _loopback_registry()
        options = ["--tls-verify=false"] if plain and engine.name == "podman" else []
        if not plain:
            answer = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
            user, _, password = base64.b64decode(answer).decode().partition(":")
            registry = repository.uri.partition("/")[0]
            login.run("login", "--username", user, "--password-stdin", registry, stdin=password)
        target = f"{plain}/{repository.name}:{tag}" if plain else f"{repository.uri}:{tag}"
        login.run("tag", image, target)
        try:
            login.run("push", *options, target)
        finally:
            login.run("rmi", target)


def _loopback_registry() -> str | None:
    """Return host and port of a local cloud's registry, the same as those of its other services."""
    where = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
    try:
        local = where.scheme == "http" and ipaddress.ip_address(where.hostname or "").is_loopback
    except ValueError:
        local = where.hostname == "localhost"
    return where.netloc if local else None
