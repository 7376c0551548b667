"""The repository of container images."""

from __future__ import annotations

from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from constructs import Construct

from hpc_constructs.access.encryption_key import EnvironmentKey
from hpc_constructs.access.permissions import allow
from hpc_constructs.config.field_types import ECR_IMAGE

PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
PUSH = ["ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"]
IMAGES_KEPT = 100
"""Job definitions name images by digest: old revisions stay runnable as long as their image is kept."""


def repository_arns(images: Iterable[str | None]) -> list[str]:
    """Return the ECR repositories of those images, or repositories, that are in one by their name."""
    found = {ECR_IMAGE.match(image) for image in images if image}
    return sorted(
        f"arn:{cdk.Aws.PARTITION}:ecr:{match[2]}:{match[1]}:repository/{match[3]}" for match in found if match
    )


def source_arns(sources: Iterable[str]) -> list[str]:
    """Return the ECR repositories of sources, which may be folders of repositories."""
    return [form for arn in repository_arns(sources) for form in (arn, f"{arn}/*")]


def grant_pull_sources(policy: iam.ManagedPolicy, sources: Iterable[str]) -> None:
    """Let pull from other ECR repositories, and from folders of them; those must admit this account where they are in
    another one."""
    arns = source_arns(sources)
    if arns:
        allow(policy, "PullFromSources", PULL, arns)


def grant_pull_others(policy: iam.ManagedPolicy, images: Iterable[str | None]) -> None:
    """Let pull the images of other ECR repositories; those must admit this account where they are in another one."""
    arns = repository_arns(images)
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

    def grant_push(self, policy: iam.ManagedPolicy) -> None:
        """Let push images to this repository, pull them, and look up their digests. Its tags are immutable, and only
        its own images count when the oldest of too many go
        (https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html)."""
        look = ["ecr:DescribeImages", "ecr:DescribeImageScanFindings", "ecr:ListImages"]
        allow(policy, "RegistryLogin", ["ecr:GetAuthorizationToken"], ["*"])
        allow(policy, "PushImages", [*PULL, *PUSH, *look], [self.repository.repository_arn])

    def grant_use(self, policy: iam.ManagedPolicy) -> None:
        """Let those who may log in already pull images of this repository."""
        allow(policy, "UseImages", PULL, [self.repository.repository_arn])


def grant_pull(policy: iam.ManagedPolicy, repositories: Iterable[ImageRepository]) -> None:
    """Let pull the images of repositories of ours."""
    allow(policy, "RegistryLogin", ["ecr:GetAuthorizationToken"], ["*"])
    allow(policy, "PullImages", PULL, [item.repository.repository_arn for item in repositories])
