"""Checks that containers can start without internet access: everything that the agent fetches has an endpoint.

The egress of an existing VPC is up to its owner and not known here. KMS needs no endpoint, since Secrets Manager,
Parameter Store, ECR and S3 call it themselves.
"""

from __future__ import annotations

from collections.abc import Iterator

from hpc_constructs.config.checks.rule import check
from hpc_constructs.config.field_types import ECR_IMAGE
from hpc_constructs.config.models import Environment
from hpc_constructs.config.problems import Path, Problem


def _secrets(environment: Environment) -> Iterator[tuple[Path, str]]:
    """Yield the keys that name a secret, and its ARN."""
    for name, item in environment.definitions.items():
        for variable, arn in item.secrets.items():
            yield ("definitions", name, "secrets", variable), arn
    for name, project in environment.projects.items():
        for number, arn in enumerate(project.secrets):
            yield ("projects", name, "secrets", number), arn


def _called(environment: Environment) -> Iterator[tuple[Path, str]]:
    """Yield the keys that make containers call a service, and the service."""
    for path, arn in _secrets(environment):
        yield path, arn.split(":")[2]
    for name, item in environment.definitions.items():
        if item.enable_execute_command:
            yield ("definitions", name, "enable_execute_command"), "ssmmessages"


@check("HPC224")
def services(environment: Environment) -> Iterator[Problem]:
    """Services that secrets and interactive shells need have an endpoint
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html)."""
    network = environment.network
    if network.egress != "endpoints":
        return
    for path, service in _called(environment):
        if service not in network.extra_endpoints:
            yield Problem(
                path=path,
                given=f"use of {service} with egress: endpoints",
                allowed="services with an endpoint: otherwise containers do not start, or shells cannot be opened",
                fix=f"add {service} to network.extra_endpoints",
                involves=(("network", "extra_endpoints"),),
            )


@check("HPC225")
def elsewhere(environment: Environment) -> Iterator[Problem]:
    """Images and secrets are in the environment's region: endpoints lead to no other region, and to no registry but ECR
    (https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html)."""
    if environment.network.egress != "endpoints":
        return
    regions: dict[Path, str] = {path: arn.split(":")[3] for path, arn in _secrets(environment)}
    for name, item in environment.definitions.items():
        path: Path = ("definitions", name, "image")
        registry = ECR_IMAGE.match(item.image) if item.image else None
        if item.image and "@" in item.image and not registry:
            yield Problem(
                path=path,
                given=f"registry {item.image.partition('/')[0]} with egress: endpoints",
                allowed="private repositories of ECR: other registries, public.ecr.aws included, are unreachable",
                fix="copy the image into ECR, and use that copy",
            )
        if registry:
            regions[path] = registry[2]
    home = environment.region
    for path, region in regions.items():
        if home and region != home:
            yield Problem(
                path=path,
                given=f"region {region} with egress: endpoints",
                allowed=f"{home}, the environment's region: endpoints lead to no other region",
                fix=f"copy it to {home}",
                involves=(("region",),),
            )


CHECKS = (services, elsewhere)
