"""The repository of container images."""

from __future__ import annotations

import re
from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from constructs import Construct

from hpc_constructs.key import EnvironmentKey
from hpc_constructs.permissions import allow

PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
IMAGES_KEPT = 100
"""Job definitions name images by digest: old revisions stay runnable as long as their image is kept."""


_ECR = re.compile(r"([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^@]+)@")


def grant_pull_others(policy: iam.ManagedPolicy, images: Iterable[str | None]) -> None:
    """Let pull the images of other ECR repositories; those must admit this account where they are in another one."""
    found = {_ECR.match(image) for image in images if image}
    arns = sorted(
        f"arn:{cdk.Aws.PARTITION}:ecr:{match[2]}:{match[1]}:repository/{match[3]}" for match in found if match
    )
    if arns:
        allow(policy, "PullOtherImages", PULL, arns)


class ImageRepository(Construct):
    """Immutable tags, scanned on push, encrypted with the environment's key, which ECR uses by a grant of its own: who
    pulls needs no right of the key (https://docs.aws.amazon.com/AmazonECR/latest/userguide/encryption-at-rest.html)."""

    def __init__(self, scope: Construct, id: str, *, key: EnvironmentKey, removal: cdk.RemovalPolicy) -> None:
        super().__init__(scope, id)
        self.repository = ecr.Repository(
            self,
            "Repository",
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            image_scan_on_push=True,
            encryption=ecr.RepositoryEncryption.KMS,
            encryption_key=key.key,
            removal_policy=removal,
            empty_on_delete=True if removal is cdk.RemovalPolicy.DESTROY else None,
            lifecycle_rules=[
                ecr.LifecycleRule(
                    description="Untagged images",
                    tag_status=ecr.TagStatus.UNTAGGED,
                    max_image_age=cdk.Duration.days(14),
                ),
                ecr.LifecycleRule(description="The oldest of too many", max_image_count=IMAGES_KEPT),
            ],
        )

    @property
    def uri(self) -> str:
        """Without tag."""
        resource = self.repository.node.default_child
        assert isinstance(resource, ecr.CfnRepository)  # noqa: S101 (the L2 holds nothing else)
        return resource.attr_repository_uri

    def grant_pull(self, policy: iam.ManagedPolicy) -> None:
        """Let pull images of this repository."""
        allow(policy, "RegistryLogin", ["ecr:GetAuthorizationToken"], ["*"])
        allow(
            policy,
            "PullImages",
            PULL,
            [self.repository.repository_arn],
        )
