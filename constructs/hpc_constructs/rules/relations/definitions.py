"""Job definitions: logs, and hygiene that Guard cannot express."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from hpc_constructs.config.sizing import HOST
from hpc_constructs.rules.batch_model import Container, Platform
from hpc_constructs.rules.finding import Hit, check
from hpc_constructs.rules.templates import Resource

LARGEST_DEFINITION = 24 * 1024
LONGEST_REFERENCE = 128
"""Bytes assumed for a reference, whose value exists at deployment only; ARNs are shorter."""
LEAST_SHARED_MIB = 1024
LEAST_SHARE = 0.05
NOT_PUSHED_YET = ":not-pushed-yet"
"""Tag of every definition's image until the first image is pushed; `hpc submit` refuses it."""
NOT_SENT = {"ResourceRetentionPolicy", "Tags"}
"""Properties of the resource that do not count towards the size of the definition."""
WRITE_LOGS = {"logs:PutLogEvents", "logs:*", "*"}


def _containers(platform: Platform) -> Iterator[Container]:
    for definition in platform.definitions:
        yield from platform.containers(definition)


def _log_group(container: Container) -> object:
    return container.settings.get("LogConfiguration", {}).get("Options", {}).get("awslogs-group")


@check("HPC050")
def own_log_group(platform: Platform) -> Iterator[Hit]:
    for container in _containers(platform):
        group = platform.templates.find(_log_group(container), container.definition.template)
        # A definition with Batch's default group is a separate finding.
        if _log_group(container) is not None and (group is None or group.type != "AWS::Logs::LogGroup"):
            yield container.definition, "", f"{container.path}.LogConfiguration"


def _writers(platform: Platform, container: Container) -> Iterator[Resource]:
    """Yield the roles that write a container's log: the execution role, and the roles of its queues' instances."""
    role = platform.templates.find(container.settings.get("ExecutionRoleArn"), container.definition.template)
    if role is not None:
        yield role
    for queue in platform.queues:
        if container.definition in queue.definitions:
            yield from (item.instance_role for item in queue.compute_environments if item.instance_role)


@check("HPC051")
def roles_may_write_logs(platform: Platform) -> Iterator[Hit]:
    seen: set[int] = set()
    for container in _containers(platform):
        for role in _writers(platform, container):
            may = {action for _, action in platform.allowed(role)}
            if id(role) not in seen and not may & WRITE_LOGS:
                yield role, f"for {container.definition.logical_id}", ""
            seen.add(id(role))


@check("HPC105")
def image_by_digest(platform: Platform) -> Iterator[Hit]:
    for container in _containers(platform):
        image = platform.templates.text(container.settings.get("Image"), container.definition.template)
        if not re.search(r"@sha256:[0-9a-f]{64}$", image) and not image.endswith(NOT_PUSHED_YET):
            yield container.definition, f"'{image.rpartition('}')[2]}'", f"{container.path}.Image"


@check("HPC124")
def host_facts_read_only(platform: Platform) -> Iterator[Hit]:
    for container in _containers(platform):
        volumes = {
            item.get("Name"): str(item.get("Host", {}).get("SourcePath", ""))
            for item in container.settings.get("Volumes", [])
        }
        for mount in container.settings.get("MountPoints", []):
            source = volumes.get(mount.get("SourceVolume"), "")
            if f"{source}/".startswith(f"{HOST}/") and mount.get("ReadOnly") is not True:
                yield container.definition, source, f"{container.path}.MountPoints"


@check("HPC120")
def last_retry_rule(platform: Platform) -> Iterator[Hit]:
    for definition in platform.definitions:
        rules = definition.properties.get("RetryStrategy", {}).get("EvaluateOnExit", [])
        if not rules or {**rules[-1], "Action": rules[-1]["Action"].upper()} != {"Action": "EXIT", "OnReason": "*"}:
            yield definition, f"the last of {len(rules)} rules", "Properties.RetryStrategy.EvaluateOnExit"


@check("HPC121")
def shared_memory(platform: Platform) -> Iterator[Hit]:
    for container in _containers(platform):
        if container.definition.properties.get("Type") != "multinode":
            continue
        given = container.settings.get("LinuxParameters", {}).get("SharedMemorySize", 64)
        least = min(LEAST_SHARED_MIB, int(container.amount("MEMORY") * LEAST_SHARE))
        if given < least:
            yield container.definition, f"{given} MiB", f"{container.path}.LinuxParameters.SharedMemorySize"


def _written(value: Any, definition: Resource, platform: Platform) -> Any:
    """Return the value with references replaced by text of the assumed length."""
    match value:
        case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::Join": _} | {"Fn::ImportValue": _} | {"Fn::Sub": _}:
            text = platform.templates.text(value, definition.template)
            return re.sub(r"\$\{[^{}]*\}", "x" * LONGEST_REFERENCE, text)
        case dict():
            items = cast("dict[str, Any]", value).items()
            return {key: _written(item, definition, platform) for key, item in items}
        case list():
            return [_written(item, definition, platform) for item in cast("list[Any]", value)]
        case _:
            return value


@check("HPC122")
def size_of_definition(platform: Platform) -> Iterator[Hit]:
    for definition in platform.definitions:
        sent = {key: item for key, item in definition.properties.items() if key not in NOT_SENT}
        size = len(json.dumps(_written(sent, definition, platform), separators=(",", ":")).encode())
        if size > LARGEST_DEFINITION:
            yield definition, f"{size:,} bytes", "Properties"
