"""Validation of requests with botocore's model of the API, and translation of CloudFormation properties to requests."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator

from localcloud.batch.errors import BatchError, NotModelledError
from localcloud.json_types import Json

NOT_MODELLED = {
    "CreateComputeEnvironmentRequest": {"unmanagedvCpus", "eksConfiguration", "context", "ecsSettings"},
    "UpdateComputeEnvironmentRequest": {"unmanagedvCpus", "eksConfiguration", "context", "ecsSettings"},
    "ComputeResource": {"managedInstancesProvider", "capacityTags"},
    "ComputeResourceUpdate": {"managedInstancesProvider", "capacityTags"},
    "LaunchTemplateSpecification": {"userdataType"},
    "CreateJobQueueRequest": {"serviceEnvironmentOrder"},
    "UpdateJobQueueRequest": {"serviceEnvironmentOrder"},
    "CreateSchedulingPolicyRequest": {"quotaSharePolicy"},
    "UpdateSchedulingPolicyRequest": {"quotaSharePolicy"},
    "RegisterJobDefinitionRequest": {"eksProperties", "ecsProperties", "consumableResourceProperties"},
    "NodeRangeProperty": {"ecsProperties", "eksProperties", "consumableResourceProperties"},
    "ContainerProperties": {
        "networkConfiguration", "fargatePlatformConfiguration", "ephemeralStorage", "runtimePlatform",
        "repositoryCredentials",
    },
    "LogConfiguration": {"secretOptions"},
    "SubmitJobRequest": {
        "eksPropertiesOverride", "ecsPropertiesOverride", "consumableResourcePropertiesOverride",
    },
    "NodePropertyOverride": {
        "ecsPropertiesOverride", "eksPropertiesOverride", "consumableResourcePropertiesOverride",
    },
}  # fmt: skip
"""Members by structure that are refused, because ignoring them would change the result."""


@cache
def service_model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("batch")


def input_shape(operation: str) -> StructureShape:
    """Return the shape of a request: every operation of AWS Batch has one."""
    return cast("StructureShape", service_model().operation_model(operation).input_shape)


@cache
def operations_by_route() -> dict[tuple[str, str], OperationModel]:
    """Return the operations by HTTP method and path, without the variable that ends the path of tagging."""
    model = service_model()
    operations = [model.operation_model(name) for name in model.operation_names]
    return {(op.http["method"], op.http["requestUri"].split("{")[0]): op for op in operations}


def validate(operation: str, params: Json) -> None:
    """Check a request against the model: names, types, required members, lengths, enumerations.

    Raises:
        BatchError: it is invalid.
        NotModelledError: it is valid, but the local cloud cannot do what it asks for.
    """
    shape = input_shape(operation)
    report = ParamValidator().validate(params, shape)
    if report.has_errors():
        raise BatchError(report.generate_report())
    _check(params, shape, operation)


def _check(value: Any, shape: Shape, path: str) -> None:
    """Check enumerations and upper limits, which botocore leaves to the service."""
    if isinstance(shape, StructureShape):
        for name, member in value.items():
            if name in NOT_MODELLED.get(shape.name, ()):
                raise NotModelledError(f"{path}.{name}")
            _check(member, shape.members[name], f"{path}.{name}")
    elif isinstance(shape, ListShape):
        for number, item in enumerate(value):
            _check(item, shape.member, f"{path}[{number}]")
    elif isinstance(shape, MapShape):
        _check_limit(len(value), shape, path, "entries")
        for key, item in value.items():
            _check(key, shape.key, f"{path} (key)")
            _check(item, shape.value, f"{path}.{key}")
    elif shape.type_name == "string":
        allowed = shape.metadata.get("enum")
        if allowed and value not in allowed:
            raise BatchError(f"Value '{value}' at '{path}' must be one of [{', '.join(allowed)}]")
        _check_limit(len(value), shape, path, "characters")
    elif shape.type_name in {"integer", "long"}:
        _check_limit(value, shape, path, "")


def _check_limit(size: int, shape: Shape, path: str, unit: str) -> None:
    limit = shape.metadata.get("max")
    if limit is not None and size > limit:
        raise BatchError(f"'{path}' is {size}{' ' + unit if unit else ''}; at most {limit}")


def from_template(value: Any, shape: Shape, path: str) -> Any:
    """Translate CloudFormation properties to a request, with the API's spelling of names and its value types.

    Raises:
        BatchError: the request has no such property.
    """
    if isinstance(shape, StructureShape):
        members = {name.lower(): name for name in shape.members}
        unknown = [key for key in value if key.lower() not in members]
        if unknown:
            raise BatchError(f"Model validation failed (#{path}: extraneous key [{unknown[0]}] is not permitted)")
        names = {key: members[key.lower()] for key in value}
        return {name: from_template(value[key], shape.members[name], f"{path}/{key}") for key, name in names.items()}
    if isinstance(shape, ListShape):
        return [from_template(item, shape.member, f"{path}/{number}") for number, item in enumerate(value)]
    if isinstance(shape, MapShape):
        return {key: from_template(item, shape.value, f"{path}/{key}") for key, item in value.items()}
    convert: dict[str, Callable[[Any], Any]] = {
        "integer": int, "long": int, "string": str, "boolean": lambda item: str(item).lower() == "true",
    }  # fmt: skip
    return convert.get(shape.type_name, lambda item: item)(value)
