"""The shared file system of an environment: EFS, with a folder for each project."""

from __future__ import annotations

from typing import Any, Literal

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_efs as efs
from aws_cdk import aws_iam as iam
from constructs import Construct

from hpc_constructs.access.encryption_key import EnvironmentKey
from hpc_constructs.access.permissions import allow
from hpc_constructs.config.settings import FileSystem
from hpc_constructs.network.vpc import Network

NFS = 2049
OWNER = "1000"
"""POSIX user and group that EFS applies to all access through an access point, whoever the container's user is."""


class SharedFileSystem(Construct):
    """An encrypted file system, accessible over TLS only, through its mount targets and the projects' access points.

    Each subnet of the environment has a mount target: EFS is reached at the address of its name in the instance's
    zone (https://docs.aws.amazon.com/efs/latest/ug/accessing-fs.html), and through no VPC endpoint.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: FileSystem,
        network: Network,
        removal: cdk.RemovalPolicy,
        key: EnvironmentKey,
    ) -> None:
        super().__init__(scope, id)
        self._resource = efs.CfnFileSystem(
            self,
            "FileSystem",
            encrypted=True,
            kms_key_id=key.arn,
            performance_mode="generalPurpose",
            throughput_mode="elastic",
            lifecycle_policies=_lifecycle(settings),
            backup_policy=efs.CfnFileSystem.BackupPolicyProperty(status="ENABLED" if settings.backup else "DISABLED"),
            file_system_policy=_policy(),
        )
        self._resource.apply_removal_policy(removal)
        self._mount_targets(network)

    @property
    def id(self) -> str:
        return self._resource.ref

    @property
    def arn(self) -> str:
        """ARN composed of the id, so that another stack needs a single import."""
        return cdk.Stack.of(self).format_arn(
            service="elasticfilesystem", resource="file-system", resource_name=self._resource.ref
        )

    def _mount_targets(self, network: Network) -> None:
        """Return a group that admits NFS from the group of all instances: the instance mounts, also for containers of
        multi-node jobs, which have dedicated network interfaces."""
        group = ec2.SecurityGroup(
            self,
            "Group",
            vpc=network.vpc,
            description="Shared file system: NFS from instances",
            allow_all_outbound=False,
        )
        group.add_ingress_rule(network.egress_group, ec2.Port.tcp(NFS), "from instances")
        for index, subnet in enumerate(network.subnet_ids):
            # A zone holds one mount target of a file system: an id that moves to another subnet cannot be deployed.
            known = not cdk.Token.is_unresolved(subnet)
            efs.CfnMountTarget(
                self,
                f"MountTarget-{subnet if known else index}",
                file_system_id=self.id,
                subnet_id=subnet,
                security_groups=[group.security_group_id],
            )


class ProjectFolder(Construct):
    """A project's access point: its containers see only the folder `/<project>` of the file system, as its root
    (https://docs.aws.amazon.com/efs/latest/ug/efs-access-points.html)."""

    def __init__(self, scope: Construct, id: str, *, file_system: SharedFileSystem, project: str) -> None:
        super().__init__(scope, id)
        self._file_system = file_system
        self._resource = efs.CfnAccessPoint(
            self,
            "AccessPoint",
            file_system_id=file_system.id,
            posix_user=efs.CfnAccessPoint.PosixUserProperty(uid=OWNER, gid=OWNER),
            root_directory=efs.CfnAccessPoint.RootDirectoryProperty(
                path=f"/{project}",
                creation_info=efs.CfnAccessPoint.CreationInfoProperty(
                    owner_uid=OWNER, owner_gid=OWNER, permissions="0750"
                ),
            ),
        )

    def volume(self, name: str) -> batch.CfnJobDefinition.VolumesProperty:
        """Return the volume of a job definition
        (https://docs.aws.amazon.com/batch/latest/userguide/efs-volumes.html)."""
        return batch.CfnJobDefinition.VolumesProperty(
            name=name,
            efs_volume_configuration=batch.CfnJobDefinition.EfsVolumeConfigurationProperty(
                file_system_id=self._file_system.id,
                transit_encryption="ENABLED",
                authorization_config=batch.CfnJobDefinition.AuthorizationConfigProperty(
                    access_point_id=self._resource.ref, iam="ENABLED"
                ),
            ),
        )

    def grant_mount(self, policy: iam.ManagedPolicy) -> None:
        """Grant mounting the folder, with read and write access, but not as root
        (https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html)."""
        allow(
            policy,
            "SharedFileSystem",
            ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
            [self._file_system.arn],
            {"StringEquals": {"elasticfilesystem:AccessPointArn": self._resource.attr_arn}},
        )


def _lifecycle(settings: FileSystem) -> list[efs.CfnFileSystem.LifecyclePolicyProperty]:
    days = settings.infrequent_access_days
    if days is None:
        return []
    policy = efs.CfnFileSystem.LifecyclePolicyProperty
    unit = "DAY" if days == 1 else "DAYS"
    return [
        policy(transition_to_ia=f"AFTER_{days}_{unit}"),
        policy(transition_to_primary_storage_class="AFTER_1_ACCESS"),
    ]


def _policy() -> dict[str, Any]:
    """Deny access other than that of jobs, whose permissions are in the policies of their roles
    (https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html)."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            _deny("NoPlainText", "*", {"Bool": {"aws:SecureTransport": "false"}}),
            _deny(
                "MountTargetsOnly",
                "elasticfilesystem:Client*",
                {"Bool": {"elasticfilesystem:AccessedViaMountTarget": "false"}},
            ),
            _deny(
                "AccessPointsOnly",
                "elasticfilesystem:Client*",
                {"Null": {"elasticfilesystem:AccessPointArn": "true"}},
            ),
        ],
    }


def _deny(sid: str, action: str, condition: dict[Literal["Bool", "Null"], dict[str, str]]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Deny", "Principal": {"AWS": "*"}, "Action": action, "Condition": condition}
