"""Validation errors of the service for job definitions and jobs."""

from __future__ import annotations

import re

from localcloud.batch import volumes
from localcloud.batch.containers import node_range, requirements
from localcloud.batch.errors import BatchError, NotModelledError
from localcloud.batch.model import Queue, Scope
from localcloud.json_types import Json

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
PATTERN = re.compile(r"[A-Za-z0-9.:\s]{0,511}\*?")
"""https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html"""
EXIT_CODE_PATTERN = re.compile(r"\d{0,511}\*?")
LOG_OPTIONS = {"awslogs-group", "awslogs-region", "awslogs-stream-prefix", "mode", "max-buffer-size"}


def check_name(member: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise BatchError(
            f"{member} {name!r} must be 1 to 128 letters, digits, hyphens or underscores, a letter or digit first"
        )


def check_definition(scope: Scope, params: Json) -> None:
    """Check a RegisterJobDefinition request
    (https://docs.aws.amazon.com/batch/latest/APIReference/API_RegisterJobDefinition.html)."""
    check_retry(params.get("retryStrategy", {}))
    check_timeout(params.get("timeout", {}))
    check_scheduling_priority(params.get("schedulingPriority", 0))
    multinode = params["type"] == "multinode"
    if multinode == ("containerProperties" in params) or multinode != ("nodeProperties" in params):
        raise BatchError("A job definition of type container takes containerProperties, one of type multinode "
                         "takes nodeProperties, and neither takes both")  # fmt: skip
    if not multinode:
        check_container(scope, params["containerProperties"], "containerProperties")
        return
    properties = params["nodeProperties"]
    if len(properties["nodeRangeProperties"]) > 5:
        raise BatchError("nodeRangeProperties takes at most 5 ranges")
    check_node_count(properties["numNodes"], properties["mainNode"])
    for item in properties["nodeRangeProperties"]:
        if "container" not in item:
            raise BatchError(f"The node range {item['targetNodes']} has no container")
        if item.get("instanceTypes"):
            raise NotModelledError("nodeRangeProperties.instanceTypes")
        check_container(scope, item["container"], f"node range {item['targetNodes']}")
    check_coverage(properties, properties["numNodes"])


def check_node_count(num_nodes: int, main_node: int) -> None:
    if not 1 <= num_nodes <= 1000:
        raise BatchError(f"numNodes {num_nodes} must be between 1 and 1000")
    if not 0 <= main_node < num_nodes:
        raise BatchError(f"mainNode {main_node} must be at least 0 and smaller than numNodes {num_nodes}")


def check_coverage(properties: Json, num_nodes: int) -> None:
    covered: set[int] = set()
    for item in properties["nodeRangeProperties"]:
        try:
            span = node_range(item["targetNodes"], num_nodes)
        except ValueError:
            raise BatchError(f"targetNodes {item['targetNodes']!r} is not a range like 0:3 or 0:") from None
        if len(span) == 0 or span.start < 0 or span.stop > num_nodes:
            raise BatchError(f"targetNodes {item['targetNodes']} does not fit numNodes {num_nodes}")
        covered |= set(span)
    if len(covered) < num_nodes:
        raise BatchError(f"The node ranges must cover all nodes 0:{num_nodes - 1}")


def check_container(scope: Scope, container: Json, where: str) -> None:
    if not container.get("image"):
        raise BatchError(f"{where}: image must be given")
    resources = requirements(container)
    for kind in ("VCPU", "MEMORY"):
        if kind not in resources:
            raise BatchError(f"{where}: resourceRequirements must contain {kind}")
    check_requirements(resources)
    check_environment(container.get("environment", []))
    check_command(container.get("command", []))
    volumes.check(container, where)
    logs = container.get("logConfiguration")
    if logs is None:
        return
    if logs["logDriver"] != "awslogs":
        raise NotModelledError(f"logDriver {logs['logDriver']}")
    unknown = set(logs.get("options", {})) - LOG_OPTIONS
    if unknown:
        raise NotModelledError(f"log options {sorted(unknown)}")
    if logs.get("options", {}).get("awslogs-region", scope.region) != scope.region:
        raise NotModelledError("awslogs-region other than the queue's")


def check_requirements(resources: dict[str, str]) -> None:
    for kind, value in resources.items():
        least = 4 if kind == "MEMORY" else 1
        if not value.isdecimal() or int(value) < least:
            raise BatchError(f"{kind} {value!r} must be a whole number, at least {least}")


def check_environment(environment: list[Json]) -> None:
    for item in environment:
        name = item.get("name", "")
        if not name or name.startswith("AWS_BATCH"):
            raise BatchError(f"Environment variable {name!r}: names must not be empty nor start with AWS_BATCH, "
                             "which is reserved")  # fmt: skip


def check_command(command: list[str]) -> None:
    if "" in command:
        raise BatchError("command must not contain an empty string")


def check_retry(strategy: Json) -> None:
    """Check a retry strategy (https://docs.aws.amazon.com/batch/latest/APIReference/API_RetryStrategy.html)."""
    rules = strategy.get("evaluateOnExit", [])
    if not 1 <= strategy.get("attempts", 1) <= 10:
        raise BatchError(f"retryStrategy.attempts {strategy['attempts']} must be between 1 and 10")
    if rules and "attempts" not in strategy:
        raise BatchError("retryStrategy.attempts must be given with evaluateOnExit")
    if len(rules) > 5:
        raise BatchError("evaluateOnExit takes at most 5 rules")
    for rule in rules:
        conditions = {key: value for key, value in rule.items() if key != "action"}
        if not conditions:
            raise BatchError("An evaluateOnExit rule needs at least one of onExitCode, onReason, onStatusReason")
        for key, pattern in conditions.items():
            allowed = EXIT_CODE_PATTERN if key == "onExitCode" else PATTERN
            if not pattern or not allowed.fullmatch(pattern):
                raise BatchError(f"Evaluate on exit condition contains restricted characters: {key} {pattern!r}")


def check_timeout(timeout: Json) -> None:
    if timeout.get("attemptDurationSeconds", 60) < 60:
        raise BatchError("timeout.attemptDurationSeconds must be at least 60")


def check_scheduling_priority(priority: int) -> None:
    if not 0 <= priority <= 9999:
        raise BatchError(f"schedulingPriority {priority} must be between 0 and 9999")


def check_submit(queue: Queue, definition: Json, params: Json) -> None:
    """Check a SubmitJob request (https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html)."""
    check_name("jobName", params["jobName"])
    if queue.detail["state"] != "ENABLED":
        raise BatchError(f"JobQueue {queue.detail['jobQueueArn']} is DISABLED and accepts no jobs")
    if len(params.get("dependsOn", [])) > 20:
        raise BatchError("dependsOn takes at most 20 jobs")
    check_share(queue, params)
    check_retry(params.get("retryStrategy", {}))
    check_timeout(params.get("timeout", {}))
    size = params.get("arrayProperties", {}).get("size")
    if size is not None and not 2 <= size <= 10000:
        raise BatchError(f"arrayProperties.size {size} must be between 2 and 10,000")
    multinode = definition["type"] == "multinode"
    if multinode and size is not None:
        raise BatchError("Multinode Array Job not supported.")
    if "containerOverrides" in params and (multinode or "nodeOverrides" in params):
        raise BatchError("Container overrides and node overrides are mutually exclusive, only one can be set.")
    if multinode:
        check_node_overrides(definition["nodeProperties"], params.get("nodeOverrides", {}))
    elif "nodeOverrides" in params:
        raise BatchError("nodeOverrides can be set for multi-node parallel jobs only")
    else:
        check_overrides(params.get("containerOverrides", {}))


def check_share(queue: Queue, params: Json) -> None:
    if queue.fair_share and not params.get("shareIdentifier"):
        raise BatchError("shareIdentifier must be given: the job queue has a fair-share scheduling policy")
    if not queue.fair_share and {"shareIdentifier", "schedulingPriorityOverride"} & params.keys():
        raise BatchError("shareIdentifier and schedulingPriorityOverride must not be given: the job queue has no "
                         "scheduling policy")  # fmt: skip
    if not re.fullmatch(r"[A-Za-z0-9]{0,255}", params.get("shareIdentifier", "")):
        raise BatchError("shareIdentifier must be up to 255 letters and digits")
    check_scheduling_priority(params.get("schedulingPriorityOverride", 0))


def check_overrides(overrides: Json) -> None:
    check_requirements(requirements(overrides))
    check_environment(overrides.get("environment", []))
    check_command(overrides.get("command", []))


def check_node_overrides(properties: Json, overrides: Json) -> None:
    """Check nodeOverrides (https://docs.aws.amazon.com/batch/latest/APIReference/API_NodeOverrides.html)."""
    num_nodes = overrides.get("numNodes", properties["numNodes"])
    if "numNodes" in overrides:
        if not any(item["targetNodes"].endswith(":") for item in properties["nodeRangeProperties"]):
            raise BatchError("numNodes can be overridden only if a node range of the definition has no upper bound")
        check_node_count(num_nodes, properties["mainNode"])
        check_coverage(properties, num_nodes)
    for item in overrides.get("nodePropertyOverrides", []):
        if item.get("instanceTypes"):
            raise NotModelledError("nodePropertyOverrides.instanceTypes")
        check_coverage({"nodeRangeProperties": [item, {"targetNodes": "0:"}]}, num_nodes)
        check_overrides(item.get("containerOverrides", {}))
