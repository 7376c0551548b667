"""Launch templates of compute environments."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hpc_constructs.compute.host.install import deployed
from hpc_constructs.rules.batch_model import ComputeEnvironment, Platform
from hpc_constructs.rules.finding import Hit, check
from hpc_constructs.rules.templates import Properties, Resource

DATA = "Properties.LaunchTemplateData"
ROOT_DEVICE = "/dev/xvda"
LEAST_ROOT_GIB = 100
BLOCKED_FOR_TASKS = re.compile(r"^ECS_AWSVPC_BLOCK_IMDS=true$", re.MULTILINE)
CLOSED_ON_HOST = (deployed("close-imds"), deployed("ecs.conf"))
"""The script, and the drop-in that makes it a precondition of the agent."""
MULTIPART = re.compile(r"\A\s*(MIME-Version:|Content-Type: multipart/mixed)", re.IGNORECASE)
UNPINNED_INSTALLER = re.compile(r"aws-efa-installer-latest|efa[-_]installer\S*latest")


def _launched(platform: Platform) -> Iterator[tuple[ComputeEnvironment, Resource]]:
    for item in platform.compute_environments:
        if item.launch_template is not None:
            yield item, item.launch_template


def _user_data(platform: Platform, template: Resource) -> str:
    value = template.properties.get("LaunchTemplateData", {}).get("UserData")
    return "" if value is None else platform.templates.text(value, template.template)


@check("HPC011")
def multipart_user_data(platform: Platform) -> Iterator[Hit]:
    for _, template in _launched(platform):
        text = _user_data(platform, template)
        if text and not MULTIPART.match(text):
            yield template, f"begins with {text.strip().splitlines()[0][:40]!r}", f"{DATA}.UserData"


@check("HPC012")
def pinned_installer(platform: Platform) -> Iterator[Hit]:
    for _, template in _launched(platform):
        match = UNPINNED_INSTALLER.search(_user_data(platform, template))
        if match:
            yield template, f"'{match[0]}'", f"{DATA}.UserData"


@check("HPC017")
def metadata_service_closed(platform: Platform) -> Iterator[Hit]:
    for _, template in _launched(platform):
        text = _user_data(platform, template)
        if not MULTIPART.match(text):  # another rule reports it
            continue
        if not BLOCKED_FOR_TASKS.search(text):
            yield template, "open to the tasks of multi-node jobs", f"{DATA}.UserData"
        if not all(part in text for part in CLOSED_ON_HOST):
            yield template, "open to single jobs, which share the host's network", f"{DATA}.UserData"


@check("HPC013")
def root_volume(platform: Platform) -> Iterator[Hit]:
    for item in platform.compute_environments:
        mappings = item.launch_data.get("BlockDeviceMappings", [])
        sizes = [one.get("Ebs", {}).get("VolumeSize", 0) for one in mappings if one.get("DeviceName") == ROOT_DEVICE]
        if max(sizes, default=0) < LEAST_ROOT_GIB:
            given = f"{sizes[0]} GiB" if sizes else f"no {ROOT_DEVICE}"
            yield item.launch_template or item.resource, given, f"{DATA}.BlockDeviceMappings"


@check("HPC014")
def key_of_volumes(platform: Platform) -> Iterator[Hit]:
    for _, template in _launched(platform):
        for mapping in template.properties.get("LaunchTemplateData", {}).get("BlockDeviceMappings", []):
            key = platform.templates.find(mapping.get("Ebs", {}).get("KmsKeyId"), template.template)
            if key is None or key.type != "AWS::KMS::Key":
                continue
            policy = platform.templates.text(key.properties.get("KeyPolicy"), key.template)
            if "AWSServiceRoleForAutoScaling" not in policy:
                yield template, f"key {key.logical_id}", f"{DATA}.BlockDeviceMappings"


@check("HPC015")
def cpu_options(platform: Platform) -> Iterator[Hit]:
    for item, template in _launched(platform):
        options: Properties = item.launch_data.get("CpuOptions", {})
        if not options:
            continue
        if not {"CoreCount", "ThreadsPerCore"} <= set(options):
            yield template, f"only {', '.join(options)}", f"{DATA}.CpuOptions"
        fixed = [kind.name for kind in item.types if kind.bare_metal or kind.family == "hpc6a"]
        if fixed:
            yield template, f"{fixed[0]} takes none", f"{DATA}.CpuOptions"
