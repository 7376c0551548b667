"""Checks that the instances of compute environments can be launched and configured.

AWS would report each of these problems late (at deployment) or never (jobs wait in RUNNABLE for ever).
Every check takes the whole environment and yields problems.
"""

from __future__ import annotations

from collections.abc import Iterator

from hpc_constructs.config.checks.rule import check
from hpc_constructs.config.field_types import STRATEGIES
from hpc_constructs.config.models import Environment
from hpc_constructs.config.problems import Problem, ce, names
from hpc_constructs.config.sizing import instance_types
from hpc_constructs.instances import InstanceType, catalogue

IOPS_PER_GIB = 500
IOPS_PER_MIB_S = 4
LONGEST_USER_DATA = 4096


@check("HPC202")
def vcpu_limits(environment: Environment) -> Iterator[Problem]:
    """At least one instance fits below max_vcpus, and min_vcpus does not exceed it."""
    for name, item in environment.compute_environments.items():
        smallest = min(instance_types(item), key=lambda kind: kind.vcpus)
        if item.max_vcpus < smallest.vcpus:
            yield Problem(
                path=ce(name, "max_vcpus"),
                given=str(item.max_vcpus),
                allowed=f"at least {smallest.vcpus}, the vCPUs of {smallest.name}, its smallest instance type",
                fix="raise it, or choose smaller instance types",
            )
        if item.min_vcpus > item.max_vcpus:
            yield Problem(
                path=ce(name, "min_vcpus"),
                given=str(item.min_vcpus),
                allowed=f"at most max_vcpus, {item.max_vcpus}",
                fix="lower min_vcpus or raise max_vcpus",
            )


@check("HPC203")
def purchasing(environment: Environment) -> Iterator[Problem]:
    """Allocation strategy and instance types fit the purchasing option."""
    for name, item in environment.compute_environments.items():
        fitting = tuple(s for s in STRATEGIES if s.startswith("SPOT") == (item.purchasing == "spot"))
        if item.strategy not in fitting:
            yield Problem(
                path=ce(name, "allocation_strategy"),
                given=item.strategy,
                allowed=f"{names(fitting)} for purchasing: {item.purchasing}",
                fix="remove the line: the default fits",
            )
        without_spot = [kind.name for kind in instance_types(item) if not kind.spot]
        if item.purchasing == "spot" and without_spot:
            yield Problem(
                path=ce(name, "purchasing"),
                given=f"spot for {names(without_spot[:4])}",
                allowed="spot only for instance types that EC2 offers as Spot",
                fix="set purchasing: on-demand, or remove these types",
            )
        if item.purchasing == "spot" and item.efa:
            yield Problem(
                path=ce(name, "efa"),
                given="true with purchasing: spot",
                allowed="EFA on On-Demand only: multi-node jobs do not run on Spot",
                fix="set purchasing: on-demand, or efa: false",
            )


@check("HPC204")
def images(environment: Environment) -> Iterator[Problem]:
    """One machine image fits all instance types of a compute environment."""
    for name, item in environment.compute_environments.items():
        types = instance_types(item)
        path = ce(name, "instance_types")
        if len({kind.architecture for kind in types}) > 1:
            yield Problem(
                path=path,
                given="x86_64 and arm64 types",
                allowed="one architecture in a compute environment",
                fix="add a second compute environment with a separate queue",
            )
        if len({kind.gpus > 0 for kind in types}) > 1:
            yield Problem(
                path=path,
                given="types with and without GPUs",
                allowed="only one kind: they need different machine images",
                fix="add a second compute environment",
            )
        old = [kind.name for kind in types if kind.family in {"p3", "p3dn", "g3", "g3s", "p2"}]
        if old:
            yield Problem(
                path=path,
                given=names(old[:4]),
                allowed="GPU types that Amazon Linux 2023 for NVIDIA supports: not p2, p3, g3",
                fix="choose a newer GPU type, such as g5 or p4d",
            )


def _without_efa(name: str, kind: InstanceType, given: str) -> Problem:
    with_efa = [item for item in catalogue().values() if item.efa_interfaces and not item.bare_metal]
    own = [item.name for item in with_efa if item.family == kind.family]
    others = ["c5n.18xlarge", "c6in.32xlarge", "hpc7a.96xlarge", "p5.48xlarge"]
    return Problem(
        path=ce(name, "instance_types"),
        given=f"'{given}'",
        allowed=f"a type with EFA, such as {names(own or others)}",
        fix="choose one of these, or set efa: false",
    )


@check("HPC205")
def efa(environment: Environment) -> Iterator[Problem]:
    """EFA: one exact type that has it, with a network interface left for the task."""
    for name, item in environment.compute_environments.items():
        if not item.efa:
            continue
        types = instance_types(item)
        if item.instance_types != (types[0].name,):
            yield Problem(
                path=ce(name, "instance_types"),
                given=names(f"'{given}'" for given in item.instance_types),
                allowed="exactly one instance type with efa: true, since the interfaces differ from type to type",
                fix="name one type, and add a compute environment for each of the others",
            )
            continue
        kind = types[0]
        if not kind.efa_interfaces:
            yield _without_efa(name, kind, item.instance_types[0])
        elif kind.enis_per_card[0] < 2:
            yield Problem(
                path=ce(name, "instance_types"),
                given=f"'{kind.name}' with efa: true",
                allowed="types whose first network card takes two interfaces: the job needs one",
                fix="choose another type, such as hpc7a.96xlarge or c6in.32xlarge",
            )


@check("HPC206")
def rare_types(environment: Environment) -> Iterator[Problem]:
    """For types that few zones offer, zone_ids names such zones."""
    network = environment.network
    chosen = network.zone_ids or ()
    efa_zone = "as the zone of network.efa_subnet_id" if network.efa_subnet_id else "as the first of network.zone_ids"
    for name, item in environment.compute_environments.items():
        in_one_zone = item.efa or item.clustered
        reachable = {network.efa_zone_id} if in_one_zone else set(chosen)
        for kind in instance_types(item):
            if kind.zone_ids and not reachable & set(kind.zone_ids):
                which = "network.zone_ids" if chosen else "no network.zone_ids"
                yield Problem(
                    path=ce(name, "instance_types"),
                    given=f"'{kind.name}' and {which} {names(chosen)}".rstrip(),
                    allowed=f"zones that offer it: {names(kind.zone_ids)}" + (f", {efa_zone}" if in_one_zone else ""),
                    fix="set network.zone_ids, or choose another type",
                    involves=(("network", "zone_ids"), ("network", "efa_subnet_id")),
                )


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
    """With scratch on the instance store, every type has one."""
    for name, item in environment.compute_environments.items():
        without = [kind.name for kind in instance_types(item) if not kind.instance_store_gb]
        if item.scratch == "instance-store" and without:
            yield Problem(
                path=ce(name, "scratch"),
                given=f"instance-store for {names(without[:4])}",
                allowed="instance-store only for types with NVMe instance store, such as c6id, m6id, i4i, g5, p5",
                fix="choose such types, or remove the line",
            )


@check("HPC216")
def user_data(environment: Environment) -> Iterator[Problem]:
    """User data fits together with that of the platform and of Batch: EC2 takes 16 KB, and encoding adds a third
    (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html)."""
    for name, item in environment.compute_environments.items():
        size = sum(len(script.encode()) for script in item.user_data)
        if size > LONGEST_USER_DATA:
            yield Problem(
                path=ce(name, "user_data"),
                given=f"{size:,} bytes",
                allowed=f"at most {LONGEST_USER_DATA:,} bytes together",
                fix="move the long part into the machine image (image_id), or into a file that the script fetches",
            )


CHECKS = (vcpu_limits, purchasing, images, efa, rare_types, root_volumes, scratch, user_data)
