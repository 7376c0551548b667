"""Managed EC2 compute environments that can be updated in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from hpc_constructs import config
from hpc_constructs.compute.instance_role import InstanceRole
from hpc_constructs.compute.launch_template import LaunchTemplate
from hpc_constructs.config.sizing import instance_types


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Subnets and security groups of instances."""

    subnet_ids: tuple[str, ...]
    """One subnet a zone; the first is the EFA subnet."""
    egress_group_id: str
    nodes_group_id: str


class ComputeEnvironment(Construct):
    """One compute environment with its launch template, and its cluster placement group if it has one.

    An L1, because the L2 always renders SecurityGroupIds, which AWS refuses together with the network interfaces of an
    EFA launch template (https://docs.aws.amazon.com/batch/latest/userguide/launch-templates.html).
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: config.ComputeEnvironment,
        multi_node: bool,
        placement: Placement,
        instance_role: InstanceRole,
        update_timeout_minutes: int,
        ami_refresh: str | None,
        file_system: bool,
        tags: Mapping[str, str],
    ) -> None:
        """
        Args:
            multi_node: whether a multi-node queue uses it, so that its instances must reach each other.
            update_timeout_minutes: minutes for which an update waits for running jobs before it ends them.
            ami_refresh: date of the last requested AMI refresh.
            file_system: whether its jobs mount the shared file system.
            tags: of the instances and their volumes.
        """
        super().__init__(scope, id)
        self._settings = settings
        self._types = instance_types(settings)
        groups = [placement.egress_group_id]
        if settings.efa or multi_node:
            groups.append(placement.nodes_group_id)
        launch_template = LaunchTemplate(
            self,
            "LaunchTemplate",
            settings=settings,
            tags=tags,
            efa_instance=self._types[0] if settings.efa else None,
            efa_group_ids=groups if settings.efa else (),
            file_system=file_system,
        )
        group = ec2.CfnPlacementGroup(self, "PlacementGroup", strategy="cluster") if settings.clustered else None
        self.resource = batch.CfnComputeEnvironment(
            self,
            "Resource",
            type="MANAGED",
            state="ENABLED",
            # No name, no top-level tags, no service role, and this property: every change updates the environment in
            # place (https://docs.aws.amazon.com/batch/latest/userguide/infrastructure-updates.html).
            replace_compute_environment=False,
            update_policy=batch.CfnComputeEnvironment.UpdatePolicyProperty(
                terminate_jobs_on_update=False, job_execution_timeout_minutes=update_timeout_minutes
            ),
            compute_resources=batch.CfnComputeEnvironment.ComputeResourcesProperty(
                type="SPOT" if settings.purchasing == "spot" else "EC2",
                allocation_strategy=settings.strategy,
                minv_cpus=settings.min_vcpus,
                maxv_cpus=settings.max_vcpus,
                instance_types=list(settings.instance_types),
                instance_role=instance_role.profile.instance_profile_arn,
                ec2_configuration=[
                    batch.CfnComputeEnvironment.Ec2ConfigurationObjectProperty(
                        image_type=self._image_type, image_id_override=settings.image_id
                    )
                ],
                launch_template=launch_template.specification,
                # For updates that replace instances, such as a change of the tag below.
                update_to_latest_image_version=True,
                scaling_policy=self._scaling_policy,
                placement_group=group.ref if group else None,
                # A cluster placement group is in one zone, and EFA does not leave its subnet.
                subnets=list(placement.subnet_ids[:1] if self._one_zone else placement.subnet_ids),
                security_group_ids=None if settings.efa else groups,
                tags={**tags, "hpc:launch-template": launch_template.content_hash(ami_refresh)},
            ),
        )
        # Batch needs the role and its permissions as long as the environment exists, or it hangs in DELETING.
        self.resource.node.add_dependency(instance_role.policy)

    @property
    def _one_zone(self) -> bool:
        return self._settings.efa or self._settings.clustered

    @property
    def _scaling_policy(self) -> batch.CfnComputeEnvironment.ComputeScalingPolicyProperty | None:
        delay = self._settings.scale_down_delay_minutes
        if delay is None:
            return None
        return batch.CfnComputeEnvironment.ComputeScalingPolicyProperty(min_scale_down_delay_minutes=delay)

    @property
    def _image_type(self) -> str:
        return "ECS_AL2023_NVIDIA" if self._types[0].gpus else "ECS_AL2023"

    @property
    def arn(self) -> str:
        return self.resource.attr_compute_environment_arn
