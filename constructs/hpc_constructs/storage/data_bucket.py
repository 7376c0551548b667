"""The data bucket: inputs, outputs and records of all runs, a prefix for each project."""

from __future__ import annotations

from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from hpc_constructs.access.encryption_key import EnvironmentKey
from hpc_constructs.access.permissions import allow
from hpc_constructs.config.settings import Data
from hpc_constructs.feature_flags import set_flags


class DataBucket(Construct):
    """The bucket, versioned, encrypted, TLS only and closed to the public, and a second bucket for its access logs."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: Data,
        key: EnvironmentKey,
        removal: cdk.RemovalPolicy,
    ) -> None:
        super().__init__(scope, id)
        set_flags(self)  # without them, access logs are asked for by an ACL, which these buckets do not have
        self._key = key
        abort_multipart = s3.LifecycleRule(
            id="unfinished-uploads",
            abort_incomplete_multipart_upload_after=cdk.Duration.days(settings.abort_multipart_days),
        )
        self.access_logs = self._access_logs(settings.access_log_days, abort_multipart, removal)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key.key,
            # One call to KMS for many objects instead of one for each
            # (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html).
            bucket_key_enabled=True,
            server_access_logs_bucket=self.access_logs,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            removal_policy=removal,
            lifecycle_rules=[
                abort_multipart,
                s3.LifecycleRule(
                    id="old-versions",
                    noncurrent_version_expiration=cdk.Duration.days(settings.noncurrent_days),
                    expired_object_delete_marker=True,
                ),
            ],
        )

    def _access_logs(self, days: int, abort_multipart: s3.LifecycleRule, removal: cdk.RemovalPolicy) -> s3.IBucket:
        """Bucket for access logs, encrypted with S3 managed keys, since S3 delivers them to no bucket with KMS
        encryption (https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html)."""
        bucket = s3.Bucket(
            self,
            "AccessLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            removal_policy=removal,
            lifecycle_rules=[
                abort_multipart,
                s3.LifecycleRule(
                    id="old-logs",
                    expiration=cdk.Duration.days(days),
                    noncurrent_version_expiration=cdk.Duration.days(1),
                ),
            ],
        )
        # The cast: CDK's classes and interfaces name some parameters differently, which type checkers reject.
        return cast("s3.IBucket", bucket)

    @property
    def name(self) -> str:
        return self.bucket.bucket_name

    def grant_project(self, policy: iam.ManagedPolicy, project: str) -> None:
        """Grant read and write access, without deletion, below the project's prefix."""
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
        self._key.grant_by_s3(policy)


def grant_read_buckets(policy: iam.ManagedPolicy, names: tuple[str, ...]) -> None:
    """Grant read access to everything in other buckets, which this app does not own."""
    if not names:
        return
    arns = [f"arn:{cdk.Aws.PARTITION}:s3:::{name}" for name in names]
    allow(policy, "ReadObjects", ["s3:GetObject"], [f"{arn}/*" for arn in arns])
    allow(policy, "ReadListings", ["s3:ListBucket"], arns)
