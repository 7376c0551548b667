"""VPC endpoints, through which the VPC reaches AWS without the internet, and their policies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from hpc_constructs.config import Environment
from hpc_constructs.network.vpc import Network
from hpc_constructs.storage.data_bucket import DataBucket
from hpc_constructs.storage.image_repository import PULL, ImageRepository, repository_arns, source_arns
from hpc_constructs.storage.job_logs import JobLogs

HTTPS = 443

WITHOUT_POLICY = ("ecs-agent", "ecs-telemetry")
"""The ECS agent's control and telemetry channels, which support no endpoint policy
(https://github.com/awsdocs/amazon-ecs-developer-guide/issues/55)."""


class Endpoints(Construct):
    """An S3 gateway endpoint; without a NAT gateway, interface endpoints for every service that an instance calls.

    A policy on each restricts access, whatever credentials a job uses: to principals of this account, and for S3, ECR
    and CloudWatch Logs to the environment's resources
    (https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html). The policies of the roles
    grant the permissions within that.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: Environment,
        network: Network,
        data: DataBucket,
        repositories: Sequence[ImageRepository],
        logs: JobLogs,
    ) -> None:
        """
        Args:
            network: of an environment with a dedicated VPC; in an existing VPC the owner provides the endpoints.
        """
        super().__init__(scope, id)
        self._environment, self._network = environment, network
        self._data, self._repositories, self._logs = data, repositories, logs
        self._s3()
        if environment.network.egress == "endpoints":
            self._interfaces()

    def _s3(self) -> None:
        """Free of charge, and the only way to ECR's layers for instances without internet access
        (https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html#ecr-setting-up-s3-gateway)."""
        assert self._network.own_vpc  # noqa: S101 (stated above)
        endpoint = self._network.own_vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        for statement in self._s3_statements():
            endpoint.add_to_policy(statement)

    def _s3_statements(self) -> Iterable[iam.PolicyStatement]:
        bucket = self._data.bucket
        yield self._own(
            "OwnBucket",
            ["s3:ListBucket", "s3:GetBucketLocation", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
            [bucket.bucket_arn, bucket.arn_for_objects("*")],
        )
        read = sorted({name for project in self._environment.projects.values() for name in project.read_buckets})
        if read:
            arns = [_bucket_arn(name) for name in read]
            yield self._own(
                "ReadBuckets",
                ["s3:ListBucket", "s3:GetBucketLocation", "s3:GetObject"],
                [*arns, *(f"{arn}/*" for arn in arns)],
            )
        # Signed by ECR, and not signed at all: neither comes from a principal of this account.
        region = cdk.Stack.of(self).region
        yield iam.PolicyStatement(
            sid="ImageLayers",
            principals=_anyone(),
            actions=["s3:GetObject"],
            # https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html#ecr-minimum-s3-perms
            resources=[f"{_bucket_arn(f'prod-{region}-starport-layer-bucket')}/*"],
        )
        yield iam.PolicyStatement(
            sid="AmazonLinuxPackages",
            principals=_anyone(),
            actions=["s3:GetObject"],
            # https://repost.aws/knowledge-center/ec2-al1-al2-update-yum-without-internet
            resources=[f"{_bucket_arn(f'al2023-repos-{region}-de612dc2')}/*"],
        )

    def _interfaces(self) -> None:
        """Endpoints that AWS Batch instances need: ECS (three), ECR and CloudWatch Logs
        (https://docs.aws.amazon.com/batch/latest/userguide/vpc-endpoint-considerations.html,
        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html,
        https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html)."""
        group = ec2.SecurityGroup(
            self,
            "Group",
            vpc=self._network.vpc,
            description="Endpoints: HTTPS from the VPC",
            allow_all_outbound=False,
        )
        # From the whole VPC, not from a group, since tasks of multi-node jobs may be in the default group.
        group.add_ingress_rule(ec2.Peer.ipv4(self._environment.network.cidr), ec2.Port.tcp(HTTPS), "from the VPC")
        needed = {
            "ecs": self._account_only("ecs"),
            **dict.fromkeys(WITHOUT_POLICY, ()),
            "ecr.api": self._pull_only(),
            "ecr.dkr": self._pull_only(),
            "logs": [self._own("OwnLogGroup", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{self._logs.arn}:*"])],
        }
        extra = {service: self._account_only(service) for service in self._environment.network.extra_endpoints}
        for service, statements in {**needed, **extra}.items():
            self._interface(service, group, statements)

    def _interface(self, service: str, group: ec2.SecurityGroup, statements: Sequence[iam.PolicyStatement]) -> None:
        endpoint = ec2.InterfaceVpcEndpoint(
            self,
            service,
            vpc=self._network.vpc,
            service=ec2.InterfaceVpcEndpointAwsService(service),
            subnets=ec2.SubnetSelection(subnets=self._network.private_subnets),
            security_groups=[group],
            # CDK would add a rule for a CIDR that it does not know before deployment.
            open=False,
            private_dns_enabled=True,
        )
        for statement in statements:
            endpoint.add_to_policy(statement)

    def _account_only(self, service: str) -> list[iam.PolicyStatement]:
        """Allow all actions of the service, with credentials of this account."""
        prefix = "cloudwatch" if service == "monitoring" else service
        return [self._own("OwnAccount", [f"{prefix}:*"], ["*"])]

    def _pull_only(self) -> list[iam.PolicyStatement]:
        environment = self._environment
        others = [
            *repository_arns(item.image for item in environment.definitions.values()),
            *source_arns(source for item in environment.projects.values() for source in item.image_sources),
        ]
        return [
            self._own("RegistryLogin", ["ecr:GetAuthorizationToken"], ["*"]),
            self._own("OwnRepository", PULL, [item.repository.repository_arn for item in self._repositories]),
            *([self._own("OtherRepositories", PULL, others)] if others else []),
        ]

    def _own(self, sid: str, actions: list[str], resources: list[str]) -> iam.PolicyStatement:
        """Allow principals of this account. The account id as the principal would mean its root user alone
        (https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html)."""
        return iam.PolicyStatement(
            sid=sid,
            principals=_anyone(),
            actions=actions,
            resources=resources,
            conditions={"StringEquals": {"aws:PrincipalAccount": cdk.Stack.of(self).account}},
        )


def _anyone() -> list[iam.IPrincipal]:
    """Return the principal "*" as AWS writes it in endpoint policies, the only form that some checkers accept."""
    # The cast: CDK's classes and interfaces name some parameters differently, which type checkers refuse.
    return [cast("iam.IPrincipal", iam.StarPrincipal())]


def _bucket_arn(name: str) -> str:
    return f"arn:{cdk.Aws.PARTITION}:s3:::{name}"
