"""Rules that `cdk synth` checks: errors that AWS would refuse or never run, and those that reviewers would reject.

`docs/rules.md` lists them. Nothing here changes a template.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import cast

import aws_cdk as cdk
from constructs import IConstruct

from hpc_constructs.rules.catalogue import catalogue
from hpc_constructs.rules.validation_plugin import GUARD_NAME, NAME, Relations, guard_plugin

CONTEXT = MappingProxyType({"@aws-cdk/core:validateAgainstDefaultRules": True})
"""Context of an app with rules, without which the CDK turns findings of Guard into warnings."""

SHORTEST_REASON = 40

__all__ = ["CONTEXT", "acknowledge", "register"]


def register(app: cdk.App) -> None:
    """Check the rules, including those of cdk-nag's packs, in every synthesis of the app, and fail it if one does not
    hold.

    The app must have been created with `CONTEXT`.
    """
    # Imported here, since the packs take time to load, which an app without checks need not spend.
    from hpc_constructs.rules.nag import packs

    plugins = cdk.Validations.of(app)
    # The cast: jsii checks at run time that the class has the plugin's members, which type checkers cannot see.
    plugins.add_plugins(
        *(cast("cdk.IPolicyValidationPlugin", plugin) for plugin in (Relations(), guard_plugin(), *packs()))
    )


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    """Acknowledge that a custom rule does not hold for a construct and everything below it; the report has the reason.

    Findings of cdk-nag are acknowledged in `acknowledged.toml` alone.

    Raises:
        ValueError: there is no such rule, or the reason is too short.
    """
    known = catalogue().get(rule)
    if known is None or known.kind == "configuration":
        raise ValueError(f"'{rule}' given; allowed: ids of docs/rules.md, except those of the configuration")
    if len(reason.strip()) < SHORTEST_REASON:
        raise ValueError(f"{rule}: {reason!r} given; allowed: a reason of at least {SHORTEST_REASON} characters")
    name = f"{GUARD_NAME if known.guard else NAME}::{rule}"
    cdk.Validations.of(construct).acknowledge(cdk.Acknowledgment(id=name, reason=reason))
