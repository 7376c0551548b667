"""ECR repositories of container images."""

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
"""Job definitions name images by digest, so old revisions stay runnable as long as their image is kept."""


def repository_arns(images: Iterable[str | None]) -> list[str]:
    """Return the ECR repositories among images or repositories, by their name."""
    found = {ECR_IMAGE.match(image) for image in images if image}
    return sorted(
        f"arn:{cdk.Aws.PARTITION}:ecr:{match[2]}:{match[1]}:repository/{match[3]}" for match in found if match
    )


def source_arns(sources: Iterable[str]) -> list[str]:
    """Return the ECR repositories of sources, which may be folders of repositories."""
    return [form for arn in repository_arns(sources) for form in (arn, f"{arn}/*")]


def grant_pull_sources(policy: iam.ManagedPolicy, sources: Iterable[str]) -> None:
    """Grant pull access to other ECR repositories, and folders of them; those in other accounts must admit this
    account."""
    arns = source_arns(sources)
    if arns:
        allow(policy, "PullFromSources", PULL, arns)


def grant_pull_others(policy: iam.ManagedPolicy, images: Iterable[str | None]) -> None:
    """Grant pull access to images of other ECR repositories; those in other accounts must admit this account."""
    arns = repository_arns(images)
    if arns:
        allow(policy, "PullOtherImages", PULL, arns)


class ImageRepository(Construct):
    """Immutable tags, scanned on push, encrypted with the environment's key, which ECR uses by a grant: pulling
    needs no permission for the key (https://docs.aws.amazon.com/AmazonECR/latest/userguide/encryption-at-rest.html)."""

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
                ecr.LifecycleRule(description="Oldest images beyond the limit", max_image_count=IMAGES_KEPT),
            ],
        )

    @property
    def uri(self) -> str:
        """Without tag."""
        resource = self.repository.node.default_child
        assert isinstance(resource, ecr.CfnRepository)  # noqa: S101 (the L2 holds nothing else)
        return resource.attr_repository_uri

    def grant_push(self, policy: iam.ManagedPolicy) -> None:
        """Grant pushing images to this repository, pulling them, and looking up their digests. Its tags are immutable,
        and only images of this repository count towards its image limit
        (https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html)."""
        look = ["ecr:DescribeImages", "ecr:DescribeImageScanFindings", "ecr:ListImages"]
        allow(policy, "RegistryLogin", ["ecr:GetAuthorizationToken"], ["*"])
        allow(policy, "PushImages", [*PULL, *PUSH, *look], [self.repository.repository_arn])

    def grant_use(self, policy: iam.ManagedPolicy) -> None:
        """Grant pull access to this repository to principals that may log in already."""
        allow(policy, "UseImages", PULL, [self.repository.repository_arn])


def grant_pull(policy: iam.ManagedPolicy, repositories: Iterable[ImageRepository]) -> None:
    """Grant pull access to repositories of this app."""
    allow(policy, "RegistryLogin", ["ecr:GetAuthorizationToken"], ["*"])
    allow(policy, "PullImages", PULL, [item.repository.repository_arn for item in repositories])
