"""Whether containers can start where there is no way to the internet: what the agent fetches for them has an endpoint.

In an existing VPC the ways out are its owner's, and nothing is known of them here. KMS needs no endpoint: Secrets
Manager, Parameter Store, ECR and S3 call it themselves.
"""

from __future__ import annotations

from collections.abc import Iterator

from hpc_constructs.config.check import check
from hpc_constructs.config.entries import Definition
from hpc_constructs.config.models import Environment
from hpc_constructs.config.problems import Path, Problem
from hpc_constructs.config.values import ECR_IMAGE


def _called(definition: Definition) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the keys of a definition that call a service, and the service."""
    for variable, arn in definition.secrets.items():
        yield ("secrets", variable), arn.split(":")[2]
    if definition.enable_execute_command:
        yield ("enable_execute_command",), "ssmmessages"


@check("HPC224")
def services(environment: Environment) -> Iterator[Problem]:
    """Secrets come from, and shells go through, services that have an endpoint
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html)."""
    network = environment.network
    if network.egress != "endpoints":
        return
    for name, item in environment.definitions.items():
        for keys, service in _called(item):
            if service not in network.extra_endpoints:
                yield Problem(
                    path=("definitions", name, *keys),
                    given=f"what calls {service}, with egress: endpoints",
                    allowed="what has an endpoint: containers would not start, or no shell open in them",
                    fix=f"add {service} to network.extra_endpoints",
                    involves=(("network", "extra_endpoints"),),
                )


@check("HPC225")
def elsewhere(environment: Environment) -> Iterator[Problem]:
    """Images and secrets are in the environment's own region: endpoints lead nowhere else, and to no registry but ECR
    (https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html)."""
    if environment.network.egress != "endpoints":
        return
    own = environment.region
    for name, item in environment.definitions.items():
        path: Path = ("definitions", name)
        registry = ECR_IMAGE.match(item.image) if item.image else None
        if item.image and "@" in item.image and not registry:
            yield Problem(
                path=(*path, "image"),
                given=f"registry {item.image.partition('/')[0]} with egress: endpoints",
                allowed="private repositories of ECR: there is no way to another registry, public.ecr.aws included",
                fix="copy the image into ECR, and name it there",
            )
        regions = {("image",): registry[2]} if registry else {}
        regions |= {("secrets", key): arn.split(":")[3] for key, arn in item.secrets.items()}
        for keys, region in regions.items():
            if own and region != own:
                yield Problem(
                    path=(*path, *keys),
                    given=f"region {region} with egress: endpoints",
                    allowed=f"{own}, the environment's own: endpoints lead to no other region",
                    fix=f"copy it to {own}",
                    involves=(("region",),),
                )


CHECKS = (services, elsewhere)
