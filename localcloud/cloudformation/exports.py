"""Errors of CloudFormation about exported values, which ministack does not raise
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html)."""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import _exports, _stacks, handlers, stacks

NO_RESOURCES = {"DELETE_COMPLETE", "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"}
"""Statuses in which a stack imports nothing, whatever its template says."""

_resolve_outputs = stacks._resolve_stack_outputs
_delete_stack = handlers._delete_stack


def _importers(export: str) -> str:
    """Return the names of the stacks that import a value, as CloudFormation lists them."""
    found = [
        name for name, stack in _stacks.items()
        if stack.get("StackStatus") not in NO_RESOURCES and export in handlers._imported_export_names(stack, name)
    ]  # fmt: skip
    return " and ".join(sorted(found))


def _exports_of(stack_id: str) -> dict[str, Any]:
    return {name: item for name, item in _exports.items() if item["StackId"] == stack_id}


def _checked_outputs(*args: Any) -> tuple[list[Any], dict[str, Any]]:
    """Resolve the outputs of a stack once all its resources exist. An error rolls the stack back."""
    outputs, exports = _resolve_outputs(*args)
    stack_id = args[-1]
    for name in exports:
        owner = _exports.get(name, {}).get("StackId", stack_id)
        if owner != stack_id:
            raise ValueError(f"Export with name {name} is already exported by stack {owner.split('/')[1]}.")
    before = _exports_of(stack_id)
    gone = before.keys() - exports.keys()
    for name, item in before.items():
        if name not in gone and exports[name]["Value"] == item["Value"]:
            continue
        if users := _importers(name):
            verb = "delete" if name in gone else "update"
            raise ValueError(f"Cannot {verb} export {name} as it is in use by {users}.")
    for name in gone:
        del _exports[name]
    # The reason of an earlier deletion that was refused.
    _stacks[args[-2]].pop("StackStatusReason", None)
    return outputs, exports


def _checked_delete(params: dict[str, Any]) -> Any:
    """Delete a stack; if another one imports from it, keep it and record the reason."""
    stack = handlers._resolve_stack(handlers._p(params, "StackName"))
    if stack is None:
        return _delete_stack(params)
    for name in _exports_of(stack["StackId"]):
        if users := _importers(name):
            reason = f"Delete canceled. Cannot delete export {name} as it is in use by {users}."
            own, identity, kind = stack["StackName"], stack["StackId"], "AWS::CloudFormation::Stack"
            stack["StackStatusReason"] = reason
            stacks._add_event(identity, own, own, kind, stack["StackStatus"], reason, identity)
            return handlers._xml(200, "DeleteStackResponse", "")
    return _delete_stack(params)


def install() -> None:
    """Replace the two functions of ministack."""
    stacks._resolve_stack_outputs = _checked_outputs
    handlers._ACTION_HANDLERS["DeleteStack"] = _checked_delete
