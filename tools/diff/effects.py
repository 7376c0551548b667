"""What a change means to those who use the resource, in a few words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tools.diff import compute_environment, schemas
from tools.diff.model import Edit, Verdict
from tools.golden import STATEFUL

Resource = dict[str, Any]

RETAINED = {"Retain", "RetainExceptOnCreate"}

LOST_WITH_IT = {
    # https://docs.aws.amazon.com/batch/latest/APIReference/API_DeleteJobQueue.html
    "AWS::Batch::JobQueue": "its jobs are lost",
    # https://docs.aws.amazon.com/batch/latest/APIReference/API_DeleteComputeEnvironment.html
    "AWS::Batch::ComputeEnvironment": "the jobs that run on it are lost; no queue may use it any more",
    # https://docs.aws.amazon.com/vpc/latest/userguide/subnet-deleting.html
    "AWS::EC2::Subnet": "refused as long as an instance or interface stands in it",
    "AWS::EC2::EIP": "the public address changes: others may have admitted it",
    "AWS::S3::Bucket": "its objects are lost; refused unless it is empty",
}


def deleted(resource: Resource) -> str:
    """Return what is lost with the resource."""
    if resource.get("DeletionPolicy") in RETAINED:
        return "stays in the account, no longer managed by the stack"
    return _lost(resource["Type"])


def replaced(old: Resource, edits: tuple[Edit, ...]) -> str:
    """Return what is lost with the old resource, and the properties that make it be replaced."""
    if old["Type"] == "AWS::Batch::JobDefinition":
        return "a definition of another name; submissions by the old name end when its revisions are deregistered"
    if any(edit.attribute and edit.path == ("Type",) for edit in edits):
        return "refused by CloudFormation: a logical id keeps its type; give the new resource another one"
    reasons = ", ".join(dict.fromkeys(edit.path[0] for edit in edits if edit.verdict is Verdict.REPLACED))
    order = "the old one is deleted first" if schemas.deletes_first(old["Type"]) else "the old one is deleted after"
    if old.get("UpdateReplacePolicy") in RETAINED:
        order = "the old one stays in the account, no longer managed; the new one is empty"
        return f"{reasons} cannot be changed; {order}"
    lost = _lost(old["Type"])
    return f"{reasons} cannot be changed; {order}" + (f": {lost}" if lost else "")


def updated(new: Resource, edits: tuple[Edit, ...]) -> str:
    """Return what an update in place does."""
    if all(edit.attribute for edit in edits):
        return "what CloudFormation does with it from now on; the resource itself stays as it is"
    if schemas.schema(new["Type"]) is None:
        return "cfn-lint has no schema of this type: look up whether the change replaces it"
    say = _UPDATED.get(new["Type"])
    return say(new.get("Properties", {}), edits) if say else ""


def _lost(kind: str) -> str:
    return LOST_WITH_IT.get(kind) or (f"lost: {STATEFUL[kind]}" if kind in STATEFUL else "")


def _compute_environment(properties: Resource, edits: tuple[Edit, ...]) -> str:
    if any(edit.verdict is Verdict.INFRASTRUCTURE for edit in edits):
        refused = compute_environment.refusal(properties)
        return f"refused by Batch: {refused}" if refused else compute_environment.effect(properties)
    if compute_environment.scales_only(edits):
        return "scaling only: instances are neither replaced nor their jobs ended"
    return "settings only: no instance is replaced"


def _definition(properties: Resource, _: tuple[Edit, ...]) -> str:
    kept = properties.get("ResourceRetentionPolicy", {}).get("SkipDeregisterOnUpdate", False)
    old = "jobs already submitted keep theirs" if kept else "the old revision is deregistered"
    return f"a new revision for submissions from now on; {old}"


def _log_group(_: Resource, edits: tuple[Edit, ...]) -> str:
    for edit in edits:
        if edit.path == ("RetentionInDays",) and isinstance(edit.new, int):
            shorter = not isinstance(edit.old, int) or edit.new < edit.old
            return f"events older than {edit.new} days are deleted" if shorter else "events are kept longer"
    return ""


def _always(words: str) -> Callable[[Resource, tuple[Edit, ...]], str]:
    return lambda _properties, _edits: words


def _launch_template(_: Resource, edits: tuple[Edit, ...]) -> str:
    new = any(edit.path[0] == "LaunchTemplateData" for edit in edits)
    return "a new version, for instances that are launched from now on" if new else "its own tags only"


_UPDATED: dict[str, Callable[[Resource, tuple[Edit, ...]], str]] = {
    "AWS::Batch::ComputeEnvironment": _compute_environment,
    "AWS::Batch::JobDefinition": _definition,
    "AWS::Batch::JobQueue": _always("jobs stay in it; those that have not started are placed by the new settings"),
    "AWS::EC2::LaunchTemplate": _launch_template,
    "AWS::IAM::ManagedPolicy": _always("permissions: read the statements"),
    "AWS::IAM::Role": _always("who may take the role, or its policies: read them"),
    "AWS::Logs::LogGroup": _log_group,
    "AWS::SSM::Parameter": _always("what those who submit read of the environment"),
}
