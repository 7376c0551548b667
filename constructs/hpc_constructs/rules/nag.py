"""The rule packs of cdk-nag, and the register of acknowledged findings.

The packs check rules that public baselines derive from AwsSolutions, HIPAA, NIST 800-53 and PCI DSS; passing them is no
certificate (https://github.com/cdklabs/cdk-nag/blob/main/RULES.md).
"""

from __future__ import annotations

from collections.abc import Iterator

import aws_cdk as cdk
import cdk_nag
import jsii
from constructs import IConstruct

from hpc_constructs.rules.nag_register import register_of_acknowledgements

RULES = "https://github.com/cdklabs/cdk-nag/blob/main/RULES.md"
FIX = (
    "change the resource; only if that would be wrong, add {id} with the reason to"
    " constructs/hpc_constructs/rules/acknowledged.toml"
)
THREW = "Rule threw an error"


@jsii.implements(cdk.IPolicyValidationPlugin)
class Pack:
    """A pack of cdk-nag that acknowledges the findings in the register, one by one.

    The CDK accepts acknowledgements by the exact id of a finding only, and ids of cdk-nag contain generated names, such
    as that of an export. It reads them after all plugins have run, so the pack itself acknowledges its findings that
    are in the register. The validation report has id, reason and path.
    """

    def __init__(self, pack: cdk_nag.NagPack) -> None:
        self._pack = pack
        self._constructs: dict[str, IConstruct] = {}

    @property
    def name(self) -> str:
        return self._pack.name

    @property
    def version(self) -> str | None:
        return self._pack.version

    @property
    def rule_ids(self) -> list[str] | None:
        return self._pack.rule_ids

    def validate(self, context: cdk.IPolicyValidationContext) -> cdk.PolicyValidationPluginReport:
        """Check all resources of the app."""
        app = context.app_construct
        assert app is not None  # noqa: S101 (the CDK always sets it in a synthesis)
        found = list(self._pack.validate_scope(app).violations)
        for violation in found:
            if not violation.description.startswith(THREW):
                self._acknowledge(app, violation)
        return cdk.PolicyValidationPluginReport(
            success=not found, violations=[self._readable(violation) for violation in found]
        )

    def _acknowledge(self, app: IConstruct, violation: cdk.PolicyViolation) -> None:
        finding = f"{self.name}::{violation.rule_name}"
        entries = [entry for entry in register_of_acknowledgements() if entry.names(finding)]
        if not entries:
            return
        for resource in violation.violating_resources:
            path = resource.construct_path or ""
            for entry in filter(lambda entry: entry.admits(path), entries):
                cdk.Validations.of(self._find(app, path)).acknowledge(
                    cdk.Acknowledgment(id=finding, reason=entry.reason)
                )
                break

    def _find(self, app: IConstruct, path: str) -> IConstruct:
        if not path:
            return app
        if path not in self._constructs:
            parent, _, name = path.rpartition("/")
            self._constructs[path] = self._find(app, parent).node.find_child(name)
        return self._constructs[path]

    def _readable(self, violation: cdk.PolicyViolation) -> cdk.PolicyViolation:
        """Return the finding with id and fix, as an error, since the CDK does not fail on warnings of cdk-nag."""
        return cdk.PolicyViolation(
            rule_name=violation.rule_name,
            description=f"{violation.rule_name} {violation.description}",
            fix=f"{FIX.format(id=f'{self.name}::{violation.rule_name}')}; {RULES}",
            severity="error",
            violating_resources=violation.violating_resources,
        )


def packs() -> Iterator[Pack]:
    """Return the packs that every synthesis runs."""
    for kind in (
        cdk_nag.AwsSolutionsChecks,
        cdk_nag.HIPAASecurityChecks,
        cdk_nag.NIST80053R5Checks,
        cdk_nag.PCIDSS321Checks,
    ):
        yield Pack(kind(verbose=True))
