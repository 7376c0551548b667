"""The data bucket: inputs, outputs and records of all runs, a prefix for each project."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from hpc_constructs.config.sections import Data
from hpc_constructs.permissions import allow


class DataBucket(Construct):
    """Versioned, encrypted, TLS only, closed to the public."""

    def __init__(self, scope: Construct, id: str, *, settings: Data, removal: cdk.RemovalPolicy) -> None:
        super().__init__(scope, id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            removal_policy=removal,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="unfinished-uploads",
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(settings.abort_multipart_days),
                ),
                s3.LifecycleRule(
                    id="old-versions",
                    noncurrent_version_expiration=cdk.Duration.days(settings.noncurrent_days),
                    expired_object_delete_marker=True,
                ),
            ],
        )

    @property
    def name(self) -> str:
        return self.bucket.bucket_name

    def grant_project(self, policy: iam.ManagedPolicy, project: str) -> None:
        """Let read and write, but not delete, below the project's prefix."""
        allow(
            policy,
            "ProjectObjects",
            ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
            [self.bucket.arn_for_objects(f"{project}/*")],
        )
        allow(
            policy,
            "ProjectListing",
            ["s3:ListBucket"],
            [self.bucket.bucket_arn],
            {"StringLike": {"s3:prefix": [f"{project}/*"]}},
        )


def grant_read_buckets(policy: iam.ManagedPolicy, names: tuple[str, ...]) -> None:
    """Let read everything in other buckets, which this app does not own."""
    if not names:
        return
    arns = [f"arn:{cdk.Aws.PARTITION}:s3:::{name}" for name in names]
    allow(policy, "ReadObjects", ["s3:GetObject"], [f"{arn}/*" for arn in arns])
    allow(policy, "ReadListings", ["s3:ListBucket"], arns)
