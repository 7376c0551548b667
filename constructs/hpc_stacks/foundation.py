"""Foundation stack: network, key, data bucket, shared file system, image repositories and log group."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from hpc_constructs.access.encryption_key import EnvironmentKey
from hpc_constructs.config import Environment
from hpc_constructs.network.flow_logs import FlowLogs
from hpc_constructs.network.vpc import Network
from hpc_constructs.storage.data_bucket import DataBucket
from hpc_constructs.storage.image_repository import ImageRepository
from hpc_constructs.storage.job_logs import JobLogs
from hpc_constructs.storage.shared_file_system import SharedFileSystem
from hpc_constructs.vpc_endpoints import Endpoints
from hpc_stacks.environment import EnvironmentStack


class FoundationStack(EnvironmentStack):
    """Resources that outlive all others: retained, and never replaced."""

    def __init__(self, scope: Construct, *, environment: Environment) -> None:
        self._zones = [cdk.Fn.select(index, cdk.Fn.get_azs()) for index in range(environment.network.zone_count)]
        super().__init__(scope, "Foundation", environment=environment, description="network, data, images, logs")
        removal = self._removal
        self.network = Network(self, "Network", environment=environment)
        self.key = EnvironmentKey(self, "Key", environment=environment.name, removal=removal)
        self.data = DataBucket(
            self,
            "Data",
            settings=environment.data,
            key=self.key,
            removal=removal,
        )
        self.images = ImageRepository(self, "Images", key=self.key, removal=removal)
        own = [name for name, project in environment.projects.items() if project.own_images]
        projects = Construct(self, "OwnImages")
        self.own_images = {name: ImageRepository(projects, name, key=self.key, removal=removal) for name in own}
        self.logs = JobLogs(self, "Logs", settings=environment.logs, key=self.key, removal=removal)
        shared = environment.file_system
        self.file_system = (
            SharedFileSystem(self, "Shared", settings=shared, network=self.network, removal=removal, key=self.key)
            if shared
            else None
        )
        if self.network.own_vpc:
            Endpoints(
                self,
                "Endpoints",
                environment=environment,
                network=self.network,
                data=self.data,
                repositories=[self.images, *self.own_images.values()],
                logs=self.logs,
            )
            if environment.network.flow_logs:
                FlowLogs(
                    self,
                    "FlowLogs",
                    vpc_id=self.network.vpc.vpc_id,
                    retention_days=environment.network.flow_logs_retention_days,
                    key=self.key,
                    removal=removal,
                )
        cdk.CfnOutput(self, "BucketName", value=self.data.name, description="Data bucket")
        cdk.CfnOutput(
            self,
            "AccessLogBucketName",
            value=self.data.access_logs.bucket_name,
            description="Bucket for access logs of the data bucket",
        )
        cdk.CfnOutput(
            self, "RepositoryUri", value=self.images.uri, description="ECR repository for the container image"
        )

    @property
    def availability_zones(self) -> list[str]:
        """Zones by position in the region's list, since CDK would otherwise look them up in the account."""
        return self._zones
