"""AWS::Batch::* (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Batch.html)."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localcloud.batch.api import BatchService
from localcloud.batch.api_model import from_template, input_shape
from localcloud.batch.errors import BatchError
from localcloud.json_types import Json

Created = tuple[str, Json]

REPLACING_RESOURCES = (
    "AllocationStrategy", "BidPercentage", "Ec2Configuration", "Ec2KeyPair", "ImageId", "InstanceRole", "InstanceTypes",
    "LaunchTemplate", "PlacementGroup", "ScalingPolicy", "SecurityGroupIds", "Subnets", "Tags", "Type",
)  # fmt: skip
"""Properties of ComputeResources whose change replaces the environment unless ReplaceComputeEnvironment is false."""


def generated_name(logical_id: str) -> str:
    """Return a name as CloudFormation makes it for Batch: logical id and random letters."""
    suffix = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(16))
    return f"{logical_id[:100]}-{suffix}"


@dataclass(frozen=True)
class Handlers:
    """Handlers of the four types, with the signatures that ministack's CloudFormation calls."""

    service: BatchService

    def _call(self, operation: str, properties: Json, **more: Any) -> Json:
        """Call the API with template properties, translated, and `more`, unchanged."""
        try:
            return self.service.call(operation, from_template(properties, input_shape(operation), "") | more)
        except BatchError as error:
            raise ValueError(
                f'Resource handler returned message: "{error} (Service: Batch, Status Code: {error.status})" '
                "(HandlerErrorCode: InvalidRequest)"
            ) from error

    # ------------------------------------------------------------------------------------ AWS::Batch::JobDefinition

    def create_definition(self, logical_id: str, properties: Json, _stack: str) -> Created:
        wanted = _without(properties, "ResourceRetentionPolicy")
        wanted.setdefault("JobDefinitionName", generated_name(logical_id))
        arn = self._call("RegisterJobDefinition", _lower_type(wanted))["jobDefinitionArn"]
        return arn, {"JobDefinitionArn": arn}

    def update_definition(self, arn: str, old: Json, new: Json, stack: str, logical_id: str) -> Created:
        """Register a new revision. The old one is deleted after the update of the stack, like any replaced resource, so
        that a rollback still finds it."""
        if "JobDefinitionName" not in old and "JobDefinitionName" not in new:
            new = {**new, "JobDefinitionName": arn.rpartition("/")[2].partition(":")[0]}
        return self.create_definition(logical_id, new, stack)

    def delete_definition(self, arn: str, properties: Json) -> None:
        """Deregister a revision, unless a newer one has replaced it and the template retains old revisions."""
        name = arn.rpartition("/")[2].partition(":")[0]
        found = self._call("DescribeJobDefinitions", {}, jobDefinitionName=name, status="ACTIVE")["jobDefinitions"]
        active = [item["jobDefinitionArn"] for item in found]
        skips = str(properties.get("ResourceRetentionPolicy", {}).get("SkipDeregisterOnUpdate")).lower() == "true"
        if arn in active and (active[0] == arn or not skips):
            self._call("DeregisterJobDefinition", {}, jobDefinition=arn)

    # -------------------------------------------------------------------------------- AWS::Batch::ComputeEnvironment

    def create_environment(self, logical_id: str, properties: Json, _stack: str) -> Created:
        wanted = _without(properties, "ReplaceComputeEnvironment", "UpdatePolicy")
        wanted["ComputeResources"] = _without(wanted.get("ComputeResources", {}), "UpdateToLatestImageVersion")
        wanted.setdefault("ComputeEnvironmentName", generated_name(logical_id))
        # The service's own templates and CDK write "managed"; the resource type takes either case.
        wanted["Type"] = str(wanted.get("Type", "")).upper()
        arn = self._call("CreateComputeEnvironment", wanted)["computeEnvironmentArn"]
        if properties.get("UpdatePolicy"):
            update = {"UpdatePolicy": properties["UpdatePolicy"]}
            self._call("UpdateComputeEnvironment", update, computeEnvironment=arn)
        return arn, {"ComputeEnvironmentArn": arn}

    def update_environment(self, arn: str, old: Json, new: Json, stack: str, logical_id: str) -> Created:
        if _replaces_environment(old, new):
            if new.get("ComputeEnvironmentName") and new.get("ComputeEnvironmentName") == old.get(
                "ComputeEnvironmentName"
            ):
                raise ValueError(
                    "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename "
                    f"{new['ComputeEnvironmentName']} and update the stack again."
                )
            return self.create_environment(logical_id, new, stack)
        wanted = _without(new, "ReplaceComputeEnvironment", "ComputeEnvironmentName", "Tags", "Type")
        resources = wanted.get("ComputeResources", {})
        wanted["ComputeResources"] = _without(resources, "SpotIamFleetRole")
        self._call("UpdateComputeEnvironment", wanted, computeEnvironment=arn)
        return arn, {"ComputeEnvironmentArn": arn}

    def delete_environment(self, arn: str, _properties: Json) -> None:
        if self._call("DescribeComputeEnvironments", {}, computeEnvironments=[arn])["computeEnvironments"]:
            self._call("UpdateComputeEnvironment", {}, computeEnvironment=arn, state="DISABLED")
            self._call("DeleteComputeEnvironment", {}, computeEnvironment=arn)

    # ------------------------------------------------------------------------------------------ AWS::Batch::JobQueue

    def create_queue(self, logical_id: str, properties: Json, _stack: str) -> Created:
        wanted = {"JobQueueName": generated_name(logical_id)} | properties
        arn = self._call("CreateJobQueue", wanted)["jobQueueArn"]
        return arn, {"JobQueueArn": arn}

    def update_queue(self, arn: str, old: Json, new: Json, stack: str, logical_id: str) -> Created:
        if any(old.get(key) != new.get(key) for key in ("JobQueueName", "JobQueueType")):
            return self.create_queue(logical_id, new, stack)
        self._call("UpdateJobQueue", _without(new, "JobQueueName", "JobQueueType", "Tags"), jobQueue=arn)
        self._retag(arn, old, new)
        return arn, {"JobQueueArn": arn}

    def _retag(self, arn: str, old: Json, new: Json) -> None:
        removed = sorted(set(old.get("Tags", {})) - set(new.get("Tags", {})))
        if removed:
            self._call("UntagResource", {}, resourceArn=arn, tagKeys=removed)
        if new.get("Tags"):
            self._call("TagResource", {}, resourceArn=arn, tags=new["Tags"])

    def delete_queue(self, arn: str, _properties: Json) -> None:
        if self._call("DescribeJobQueues", {}, jobQueues=[arn])["jobQueues"]:
            self._call("UpdateJobQueue", {}, jobQueue=arn, state="DISABLED")
            self._call("DeleteJobQueue", {}, jobQueue=arn)

    # ---------------------------------------------------------------------------------- AWS::Batch::SchedulingPolicy

    def create_policy(self, logical_id: str, properties: Json, _stack: str) -> Created:
        wanted = {"Name": generated_name(logical_id)} | properties
        arn = self._call("CreateSchedulingPolicy", wanted)["arn"]
        return arn, {"Arn": arn}

    def update_policy(self, arn: str, old: Json, new: Json, stack: str, logical_id: str) -> Created:
        if old.get("Name") != new.get("Name"):
            return self.create_policy(logical_id, new, stack)
        self._call("UpdateSchedulingPolicy", _without(new, "Name", "Tags"), arn=arn)
        self._retag(arn, old, new)
        return arn, {"Arn": arn}

    def delete_policy(self, arn: str, _properties: Json) -> None:
        if self._call("DescribeSchedulingPolicies", {}, arns=[arn])["schedulingPolicies"]:
            self._call("DeleteSchedulingPolicy", {}, arn=arn)


def _without(properties: Json, *names: str) -> Json:
    return {key: value for key, value in properties.items() if key not in names}


def _lower_type(properties: Json) -> Json:
    return properties | {"Type": str(properties.get("Type", "")).lower()}


def _replaces_environment(old: Json, new: Json) -> bool:
    """Return whether an update creates a new environment
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-batch-computeenvironment.html)."""
    if any(old.get(key) != new.get(key) for key in ("ComputeEnvironmentName", "Tags", "Type")):
        return True
    before, after = old.get("ComputeResources", {}), new.get("ComputeResources", {})
    if before.get("SpotIamFleetRole") != after.get("SpotIamFleetRole"):
        return True
    replace = str(new.get("ReplaceComputeEnvironment", True)).lower() != "false"
    return replace and any(before.get(key) != after.get(key) for key in REPLACING_RESOURCES)


def handlers(service: BatchService) -> dict[str, dict[str, Callable[..., Any] | bool]]:
    """Return the handlers by resource type."""
    own = Handlers(service)
    kinds = {
        "ComputeEnvironment": (own.create_environment, own.update_environment, own.delete_environment),
        "JobQueue": (own.create_queue, own.update_queue, own.delete_queue),
        "JobDefinition": (own.create_definition, own.update_definition, own.delete_definition),
        "SchedulingPolicy": (own.create_policy, own.update_policy, own.delete_policy),
    }
    return {
        f"AWS::Batch::{kind}": {
            "create": create,
            "delete": delete,
            "update": update,
            "update_with_logical_id": True,
        }
        for kind, (create, update, delete) in kinds.items()
    }
