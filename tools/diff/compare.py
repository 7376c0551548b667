"""From the templates of two versions to what a deployment would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tools.diff import compute_environment, effects, properties, schemas
from tools.diff.exports import refusals
from tools.diff.model import ABSENT, Change, Comparison, Edit, Key, Verdict
from tools.diff.references import REF, Export, exports, references
from tools.synthesis import Stacks

EVERYTHING = frozenset({"*"})

RENEWED_BY_UPDATES = {
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-launchtemplate.html
    "AWS::EC2::LaunchTemplate": ("LaunchTemplateData", frozenset({"LatestVersionNumber"})),
    # The ARN with its revision:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-batch-jobdefinition.html
    "AWS::Batch::JobDefinition": (None, frozenset({REF, "JobDefinitionArn"})),
}
"""Types of which an update in place gives attributes another value: by which property (None: by any), which ones."""

Moved = Mapping[Key, frozenset[str]]
"""Attributes that get another value, by resource."""


@dataclass(frozen=True, kw_only=True)
class _Side:
    """One version."""

    stacks: Stacks
    exports: dict[str, Export]
    resources: dict[Key, dict[str, Any]]


def compare(base: Stacks, head: Stacks) -> Comparison:
    """Return what a deployment of `head` does where `base` is deployed, the gravest first."""
    old, new = _side(base), _side(head)
    kept = [key for key in new.resources if key in old.resources]
    direct = {key: _direct_edits(old.resources[key], new.resources[key]) for key in kept}
    edits, moved = _propagate(direct, new)
    changes = [_updated(key, old, new, found) for key, found in edits.items() if found]
    changes += [_added(key, item) for key, item in new.resources.items() if key not in old.resources]
    changes += [_deleted(key, item) for key, item in old.resources.items() if key not in new.resources]
    gravity = list(Verdict)
    return Comparison(
        changes=tuple(sorted(changes, key=lambda item: (gravity.index(item.verdict), item.stack, item.logical_id))),
        refusals=refusals(base, head, moved),
    )


def _side(stacks: Stacks) -> _Side:
    resources = {
        (stack, logical_id): item
        for stack, template in stacks.items()
        for logical_id, item in {**template["Resources"], **_sections(template)}.items()
    }
    return _Side(stacks=stacks, exports=exports(stacks), resources=resources)


def _sections(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what else a template holds, each as if it were a resource. Exports count by what happens to those
    who import them."""
    outputs = {
        f"Outputs/{name}": {"Type": "Output", "Properties": output}
        for name, output in template.get("Outputs", {}).items()
        if "Export" not in output
    }
    others = {
        name: {"Type": "Section", "Properties": content if isinstance(content, dict) else {"Text": content}}
        for name, content in template.items()
        if name not in {"Resources", "Outputs", "Metadata"}
    }
    return {**outputs, **others}


def _direct_edits(old: dict[str, Any], new: dict[str, Any]) -> tuple[Edit, ...]:
    """Return what the texts of the templates differ in. Metadata of a resource, such as CDK's, changes nothing."""
    found = list(properties.edits(old.get("Properties", {}), new.get("Properties", {})))
    for name in sorted({*old, *new} - {"Properties", "Metadata"}):
        one, two = old.get(name, ABSENT), new.get(name, ABSENT)
        found += [replace(edit, attribute=True) for edit in properties.edits(one, two, (name,))]
    return tuple(found)


def _propagate(direct: Mapping[Key, tuple[Edit, ...]], new: _Side) -> tuple[dict[Key, tuple[Edit, ...]], Moved]:
    """Follow references until nothing moves any more: what refers to a replaced resource changes too, and may be
    replaced by that."""
    moved: Moved = {}
    while True:
        judged = {key: _judged(key, direct[key], moved, new) for key in direct}
        further = {key: attributes for key in judged if (attributes := _attributes(new.resources[key], judged[key]))}
        if further == moved:
            return judged, moved
        moved = further


def _judged(key: Key, direct: tuple[Edit, ...], moved: Moved, new: _Side) -> tuple[Edit, ...]:
    resource = new.resources[key]
    known = {edit.path for edit in direct if not edit.attribute}
    followed: dict[Any, Edit] = {}
    for item in references(key[0], resource.get("Properties", {}), new.exports):
        attributes = moved.get(item.target, frozenset())
        seen = any(item.path[: len(path)] == path for path in known)
        if not seen and (item.attribute in attributes or attributes == EVERYTHING):
            where = f"{item.target[1]}.{item.attribute}" if item.attribute != REF else item.target[1]
            edit = Edit(path=item.path, old=f"${{{where}}}", new="another value", because=item.target[1])
            followed.setdefault((item.path, where), edit)
    return tuple(
        replace(edit, verdict=_verdict(resource, edit))
        for edit in (*direct, *sorted(followed.values(), key=lambda edit: edit.path))
    )


def _attributes(resource: dict[str, Any], edits: tuple[Edit, ...]) -> frozenset[str]:
    """Return the attributes that get another value by the edits."""
    if any(edit.verdict is Verdict.REPLACED for edit in edits):
        return EVERYTHING
    cause, attributes = RENEWED_BY_UPDATES.get(resource["Type"], ("", frozenset()))
    renews = any(not edit.attribute and cause in {None, edit.path[0]} for edit in edits)
    return attributes if renews else frozenset()


def _verdict(resource: dict[str, Any], edit: Edit) -> Verdict:
    kind = resource["Type"]
    if edit.attribute:
        return Verdict.REPLACED if edit.path == ("Type",) else Verdict.IN_PLACE
    if any(schemas.touches(edit.path, edit.old, edit.new, listed) for listed in schemas.create_only(kind)):
        return Verdict.REPLACED
    if kind == compute_environment.TYPE:
        return compute_environment.verdict(edit, resource.get("Properties", {}))
    listed = schemas.conditional_create_only(kind)
    # Whether these replace depends on values that no schema tells: the graver answer.
    conditional = any(schemas.touches(edit.path, edit.old, edit.new, path) for path in listed)
    return Verdict.REPLACED if conditional else Verdict.IN_PLACE


def _updated(key: Key, old: _Side, new: _Side, edits: tuple[Edit, ...]) -> Change:
    verdicts = {edit.verdict for edit in edits}
    verdict = next(item for item in Verdict if item in verdicts)
    before, after = old.resources[key], new.resources[key]
    if verdict is Verdict.REPLACED:
        effect = effects.replaced(before, edits)
    else:
        effect = effects.updated(after, edits) if after["Type"] not in {"Output", "Section"} else ""
    return replace(_change(key, after, verdict, effect), edits=edits)


def _added(key: Key, resource: dict[str, Any]) -> Change:
    return _change(key, resource, Verdict.ADDED, "")


def _deleted(key: Key, resource: dict[str, Any]) -> Change:
    return _change(key, resource, Verdict.DELETED, effects.deleted(resource))


def _change(key: Key, resource: dict[str, Any], verdict: Verdict, effect: str) -> Change:
    path = resource.get("Metadata", {}).get("aws:cdk:path", "").removesuffix("/Resource")
    return Change(
        stack=key[0], logical_id=key[1], type=resource["Type"], construct=path, verdict=verdict, effect=effect
    )
