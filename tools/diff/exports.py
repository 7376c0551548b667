"""Exports that a deployment would take from under another stack.

CloudFormation refuses to change or remove an export as long as a deployed stack imports it
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html).
"""

from __future__ import annotations

from collections.abc import Mapping

from tools.diff.model import Key, Refusal
from tools.diff.references import exports, imports, references
from tools.synthesis import Stacks


def refusals(base: Stacks, head: Stacks, moved: Mapping[Key, frozenset[str]]) -> tuple[Refusal, ...]:
    """Return a refusal for each export in use that goes or gets another value."""
    before, after = exports(base), exports(head)
    found: list[Refusal] = []
    for name, export in before.items():
        users = sorted(stack for stack, template in base.items() if stack != export.stack and name in imports(template))
        if not users:
            continue
        if name not in after:
            found.append(_removed(name, export.stack, users, base, head))
        elif after[name].value != export.value or _moves(export.stack, after[name].value, moved):
            found.append(
                Refusal(
                    stack=export.stack,
                    reason=f"export {name} gets another value, and {', '.join(users)} uses it",
                    way_out="in two deployments: one after which nothing imports it, then this one",
                )
            )
    return tuple(found)


def _moves(stack: str, value: object, moved: Mapping[Key, frozenset[str]]) -> bool:
    return any(moved.get(item.target, frozenset()) & {"*", item.attribute} for item in references(stack, value, {}))


def _removed(name: str, stack: str, users: list[str], base: Stacks, head: Stacks) -> Refusal:
    gone = [user for user in users if user not in head]
    there = {*exports(base)}
    free = all(user in gone or (name not in imports(head[user]) and imports(head[user]) <= there) for user in users)
    if gone:
        way_out = f"destroy {', '.join(gone)} first"
    elif free:
        way_out = f"deploy {', '.join(users)} first: cdk deploy {' '.join(users)} --exclusively; then the rest"
    else:
        way_out = "in two deployments: one that keeps the export (Stack.export_value), then one without it"
    return Refusal(stack=stack, reason=f"export {name} goes, and {', '.join(users)} uses it", way_out=way_out)
