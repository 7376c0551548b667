"""The effective container: job definition, overrides and parameters combined."""

from __future__ import annotations

from collections.abc import Iterable

from localcloud.json_types import Json


def substitute(command: Iterable[str], parameters: Json) -> list[str]:
    """Replace each argument `Ref::name` by the parameter of that name; unknown ones stay
    (https://docs.aws.amazon.com/batch/latest/userguide/job_definition_parameters.html#parameters)."""
    return [parameters.get(word.removeprefix("Ref::"), word) if word.startswith("Ref::") else word for word in command]


def requirements(container: Json) -> dict[str, str]:
    """Return the resource requirements by type, including the deprecated fields `vcpus` and `memory`."""
    found = {key: str(container[old]) for key, old in (("VCPU", "vcpus"), ("MEMORY", "memory")) if old in container}
    return found | {item["type"]: item["value"] for item in container.get("resourceRequirements", [])}


def effective(container: Json, overrides: Iterable[Json], parameters: Json) -> Json:
    """Return the container properties after all overrides, in the form of DescribeJobs."""
    result = dict(container)
    resources = requirements(container)
    environment = {item["name"]: item["value"] for item in container.get("environment", [])}
    for override in overrides:
        resources |= requirements(override)
        environment |= {item["name"]: item.get("value", "") for item in override.get("environment", [])}
        result |= {key: override[key] for key in ("command", "instanceType") if key in override}
    result.pop("vcpus", None)
    result.pop("memory", None)
    return result | {
        "command": substitute(result.get("command", []), parameters),
        "environment": [{"name": name, "value": value} for name, value in environment.items()],
        "resourceRequirements": [{"type": kind, "value": value} for kind, value in resources.items()],
    }


def node_range(text: str, num_nodes: int) -> range:
    """Return the nodes of `targetNodes`: "3", "0:3", ":3", or "0:" up to the last node.

    Raises:
        ValueError: it is not a range.
    """
    first, colon, last = text.partition(":")
    start = int(first) if first else 0
    if not colon:
        return range(start, start + 1)
    return range(start, int(last) + 1 if last else max(num_nodes, start + 1))


def node_containers(node_properties: Json, num_nodes: int, overrides: list[Json], parameters: Json) -> list[Json]:
    """Return the effective container of every node; the innermost of nested ranges applies
    (https://docs.aws.amazon.com/batch/latest/APIReference/API_NodeRangeProperty.html)."""
    spans = [
        (node_range(item["targetNodes"], num_nodes), item["container"])
        for item in node_properties["nodeRangeProperties"]
    ]
    spans.sort(key=lambda span: len(span[0]))
    changes = [(node_range(item["targetNodes"], num_nodes), item.get("containerOverrides", {})) for item in overrides]
    return [
        effective(
            next(container for span, container in spans if node in span),
            [change for span, change in changes if node in span],
            parameters,
        )
        for node in range(num_nodes)
    ]
