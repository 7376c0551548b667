"""CDK validation plugins of the rules: relations in Python, hygiene in Guard."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import aws_cdk as cdk
import jsii

from hpc.contract.version import VERSION
from hpc_constructs.rules import relations
from hpc_constructs.rules.batch_model import Platform
from hpc_constructs.rules.catalogue import Rule, catalogue
from hpc_constructs.rules.finding import CHECKS, Finding, findings
from hpc_constructs.rules.templates import Templates

GUARD = Path(__file__).parent / "guard"
NAME = "hpc"
GUARD_NAME = "CloudFormation-Validate"
"""Name of the CDK's plugin in acknowledgements."""

__all__ = ["GUARD_NAME", "NAME", "Relations", "guard_plugin", "guard_sources", "relations"]


def check_templates(paths: Iterable[str]) -> list[Finding]:
    """Return the findings of the rules in Python."""
    return list(findings(Platform(Templates.read(paths))))


@jsii.implements(cdk.IPolicyValidationPlugin)
class Relations:
    """Rules that need more than one resource, or that Guard cannot express."""

    @property
    def name(self) -> str:
        return NAME

    @property
    def version(self) -> str:
        return VERSION

    @property
    def rule_ids(self) -> list[str]:
        return sorted(CHECKS)

    def validate(self, context: cdk.IPolicyValidationContext) -> cdk.PolicyValidationPluginReport:
        """Check all templates of the app together."""
        found = check_templates(context.template_paths)
        rules = catalogue()
        return cdk.PolicyValidationPluginReport(
            success=all(rules[item.rule].severity == "warning" for item in found),
            violations=[_violation(item, rules[item.rule]) for item in found],
        )


def _violation(finding: Finding, rule: Rule) -> cdk.PolicyViolation:
    return cdk.PolicyViolation(
        rule_name=rule.id,
        description=f"{_words(rule)}{f' ({finding.detail})' if finding.detail else ''}",
        fix=f"{rule.fix}; {rule.link}",
        severity=rule.severity,
        violating_resources=[
            cdk.PolicyViolatingResource(
                resource_logical_id=finding.resource.logical_id,
                template_path=finding.resource.template,
                locations=[finding.location] if finding.location else [],
            )
        ],
    )


def _words(rule: Rule) -> str:
    return f"{rule.id} {rule.title}: {rule.cause}"


def guard_sources() -> list[cdk.ValidationRuleSource]:
    """Return the rules in Guard, with the catalogue's text in place of ids."""
    sources: list[cdk.ValidationRuleSource] = []
    for path in sorted(GUARD.glob("*.guard")):
        text = path.read_text(encoding="utf-8")
        for rule in catalogue().values():
            # Guard's findings have no field for the fix.
            text = text.replace(f"<<{rule.id}>>", f"<<{_words(rule)}. Fix: {rule.fix}; {rule.link}>>")
        sources.append(cdk.ValidationRuleSource(name=path.name, content=text))
    return sources


def guard_plugin(*, default_rules: bool = True) -> cdk.CloudFormationValidatePlugin:
    """Return the CDK's Guard engine, with the custom rules added.

    Args:
        default_rules: whether to run the CDK's Rego rules too.
    """
    return cdk.CloudFormationValidatePlugin(guard_rules=guard_sources(), include_default_rules=default_rules)
