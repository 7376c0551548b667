"""Whether the instances of compute environments can hold and do at boot what the configuration says."""

from __future__ import annotations

from collections.abc import Iterator

from hpc_constructs.config.check import check
from hpc_constructs.config.models import Environment
from hpc_constructs.config.problems import Problem, ce, names
from hpc_constructs.config.sizing import instance_types

IOPS_PER_GIB = 500
IOPS_PER_MIB_S = 4
LONGEST_USER_DATA = 4096


@check("HPC214")
def root_volumes(environment: Environment) -> Iterator[Problem]:
    """gp3's ratios (https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html#gp3-ebs-volume-type)."""
    for name, item in environment.compute_environments.items():
        if item.root_volume_iops > IOPS_PER_GIB * item.root_volume_gib:
            yield Problem(
                path=ce(name, "root_volume_iops"),
                given=f"{item.root_volume_iops} with {item.root_volume_gib} GiB",
                allowed=f"at most {IOPS_PER_GIB} for each GiB, {IOPS_PER_GIB * item.root_volume_gib}",
                fix="lower it, or raise root_volume_gib",
            )
        if item.root_volume_throughput_mib_s * IOPS_PER_MIB_S > item.root_volume_iops:
            yield Problem(
                path=ce(name, "root_volume_throughput_mib_s"),
                given=f"{item.root_volume_throughput_mib_s} with {item.root_volume_iops} IOPS",
                allowed=f"at most a quarter of the IOPS, {item.root_volume_iops // IOPS_PER_MIB_S}",
                fix=f"lower it, or set root_volume_iops: {item.root_volume_throughput_mib_s * IOPS_PER_MIB_S}",
            )


@check("HPC215")
def scratch(environment: Environment) -> Iterator[Problem]:
    """Scratch on the instance store: every type has one."""
    for name, item in environment.compute_environments.items():
        without = [kind.name for kind in instance_types(item) if not kind.instance_store_gb]
        if item.scratch == "instance-store" and without:
            yield Problem(
                path=ce(name, "scratch"),
                given=f"instance-store for {names(without[:4])}",
                allowed="instance-store only for types with NVMe volumes of their own, such as c6id, m6id, i4i, g5, p5",
                fix="choose such types, or remove the line",
            )


@check("HPC216")
def user_data(environment: Environment) -> Iterator[Problem]:
    """Scripts fit beside ours and Batch's: EC2 takes 16 KB, and encoding takes a third more than the text
    (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html)."""
    for name, item in environment.compute_environments.items():
        size = sum(len(script.encode()) for script in item.user_data)
        if size > LONGEST_USER_DATA:
            yield Problem(
                path=ce(name, "user_data"),
                given=f"{size:,} bytes",
                allowed=f"at most {LONGEST_USER_DATA:,} bytes together",
                fix="put the long part into the machine image (image_id), or into a file that the script fetches",
            )


CHECKS = (root_volumes, scratch, user_data)
