"""Launch templates of compute environments: everything about an instance except its type."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from hpc_constructs import config
from hpc_constructs.compute.host.install import install_script, without_comments
from hpc_constructs.config.sizing import SCRATCH
from hpc_constructs.instances import InstanceType

ROOT_DEVICE = "/dev/xvda"
"""Root device of the ECS-optimized Amazon Linux 2023 image, which holds container images too."""

ECS_AGENT = """\
cat >> /etc/ecs/ecs.config <<'END'
ECS_AWSVPC_BLOCK_IMDS=true
ECS_CONTAINER_STOP_TIMEOUT=2m
END
"""
"""Multi-node tasks cannot reach the instance's credentials, and a container has two minutes to save its files
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-config.html)."""

SCRATCH_FOLDER = f"mkdir -p {SCRATCH} && chmod 1777 {SCRATCH}\n"
"""On every instance, so that a job definition that mounts it can be submitted to any queue. Docker would create the
folder too, but for root alone."""

INSTANCE_STORE = f"""\
disks=$(lsblk --nodeps --noheadings --paths --output NAME,MODEL)
set -- $(echo "$disks" | awk '/Amazon EC2 NVMe Instance Storage/ {{print $1}}')
device=${{1:-}}
if [ $# -gt 1 ]; then
  command -v mdadm >/dev/null || dnf install --assumeyes --quiet mdadm
  if mdadm --create /dev/md/scratch --level=0 --raid-devices=$# --run "$@"; then
    device=/dev/md/scratch
  else
    logger -t hpc "scratch is one of $# instance store volumes: mdadm could not join them"
  fi
fi
if [ -n "$device" ] && mkfs.xfs -q -f "$device" && mount -o noatime "$device" {SCRATCH}; then
  chmod 1777 {SCRATCH}
else
  logger -t hpc "scratch is on the root volume: no instance store volume could be mounted"
fi
"""
"""One file system over all NVMe instance store volumes
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/InstanceStorage.html): nothing on it outlives the job."""

FILE_SYSTEM = """\
command -v mount.efs >/dev/null || dnf install --assumeyes --quiet amazon-efs-utils
systemctl enable --now --no-block amazon-ecs-volume-plugin || logger -t hpc "no plugin to mount the shared file system"
"""
"""Plugin of the ECS agent that mounts EFS, with the mount helper of the instance
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/efs-volumes.html)."""

EFA_MODULES = """\
modprobe ib_uverbs || true
modprobe efa || true
test -e /dev/infiniband/uverbs0 || logger -t hpc "no EFA device: /dev/infiniband/uverbs0 is missing"
"""
"""The driver is part of Amazon Linux 2023's kernel, but is not loaded before the first container needs it."""


@dataclass(frozen=True, kw_only=True)
class Interface:
    """A network interface of an instance."""

    card: int
    device: int
    type: Literal["interface", "efa"]


def efa_layout(instance: InstanceType) -> tuple[Interface, ...]:
    """Return the interfaces with which an instance gets all its EFA devices.

    The combined `efa` type on the first card, not the pair of `interface` and `efa-only`, leaves that card a slot: the
    multi-node task needs a dedicated network interface, and several HPC types take two on a card
    (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-acc-inst-types.html). On further cards the device index
    is 1, or 0 where the card takes one interface only.
    """
    cards = instance.efa_cards[: instance.efa_interfaces]
    first = Interface(card=0, device=0, type="efa" if 0 in cards else "interface")
    rest = (
        Interface(card=card, device=0 if instance.enis_per_card[card] == 1 else 1, type="efa")
        for card in cards
        if card != 0
    )
    return (first, *rest)


def user_data(*scripts: str) -> str:
    """Return MIME multipart user data, the only format that Batch can add to
    (https://docs.aws.amazon.com/batch/latest/userguide/launch-templates.html)."""
    multipart = ec2.MultipartUserData()
    for script in scripts:
        first, _, rest = script.partition("\n")
        shebang = first.startswith("#!")
        part = ec2.UserData.for_linux(shebang=first if shebang else None)
        part.add_commands(*(rest if shebang else script).splitlines())
        multipart.add_part(ec2.MultipartBody.from_user_data(part))
    return cdk.Fn.base64(multipart.render())


class LaunchTemplate(Construct):
    """A launch template: IMDSv2 only, encrypted root volume, scratch, and the type's network interfaces for EFA."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: config.ComputeEnvironment,
        tags: Mapping[str, str],
        efa_instance: InstanceType | None = None,
        efa_group_ids: Sequence[str] = (),
        file_system: bool = False,
    ) -> None:
        """
        Args:
            efa_instance: the only type of the compute environment, if its instances get EFA.
            efa_group_ids: security groups of the EFA interfaces; without EFA the compute environment holds the groups.
            file_system: whether its jobs mount the shared file system.
        """
        super().__init__(scope, id)
        interfaces = efa_layout(efa_instance) if efa_instance else ()
        self._data = ec2.CfnLaunchTemplate.LaunchTemplateDataProperty(
            user_data=user_data(*_scripts(settings, file_system=file_system)),
            metadata_options=ec2.CfnLaunchTemplate.MetadataOptionsProperty(
                http_tokens="required", http_put_response_hop_limit=1
            ),
            block_device_mappings=[_root_volume(settings)],
            network_interfaces=[_interface(item, efa_group_ids) for item in interfaces] or None,
            tag_specifications=[
                ec2.CfnLaunchTemplate.TagSpecificationProperty(
                    resource_type="volume",
                    tags=[cdk.CfnTag(key=key, value=value) for key, value in tags.items()],
                )
            ],
        )
        self.template = ec2.CfnLaunchTemplate(self, "Template", launch_template_data=self._data)

    @property
    def specification(self) -> batch.CfnComputeEnvironment.LaunchTemplateSpecificationProperty:
        """Launch template and version number: with $Default or $Latest an edit would never reach the compute
        environment."""
        return batch.CfnComputeEnvironment.LaunchTemplateSpecificationProperty(
            launch_template_id=self.template.ref, version=self.template.attr_latest_version_number
        )

    def content_hash(self, ami_refresh: str | None) -> str:
        """Return a hash of the template's content and the date of the AMI refresh, so that a diff of the compute
        environment shows an edit of either."""
        content = cdk.Stack.of(self).resolve(self._data)
        text = json.dumps(content, sort_keys=True) + (ami_refresh or "")
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _scripts(settings: config.ComputeEnvironment, *, file_system: bool) -> list[str]:
    """Return the scripts of the platform, then those of the team, which find the scratch folder."""
    scripts = [without_comments(ECS_AGENT + SCRATCH_FOLDER) + install_script()]
    if file_system:
        scripts.append(without_comments(FILE_SYSTEM))
    if settings.efa:
        scripts.append(without_comments(EFA_MODULES))
    if settings.scratch == "instance-store":
        scripts.append(without_comments(INSTANCE_STORE))
    return [*scripts, *settings.user_data]


def _root_volume(settings: config.ComputeEnvironment) -> ec2.CfnLaunchTemplate.BlockDeviceMappingProperty:
    return ec2.CfnLaunchTemplate.BlockDeviceMappingProperty(
        device_name=ROOT_DEVICE,
        ebs=ec2.CfnLaunchTemplate.EbsProperty(
            volume_type="gp3",
            volume_size=settings.root_volume_gib,
            iops=settings.root_volume_iops,
            throughput=settings.root_volume_throughput_mib_s,
            encrypted=True,
            delete_on_termination=True,
        ),
    )


def _interface(item: Interface, groups: Sequence[str]) -> ec2.CfnLaunchTemplate.NetworkInterfaceProperty:
    return ec2.CfnLaunchTemplate.NetworkInterfaceProperty(
        network_card_index=item.card,
        device_index=item.device,
        interface_type=item.type,
        groups=list(groups),
        delete_on_termination=True,
    )
