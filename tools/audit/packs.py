"""Raw findings of cdk-nag's packs, before any acknowledgement, so that they compare with those of other projects.

The register of acknowledgements has the decision about each; every synthesis checks it.
"""

from __future__ import annotations

import cdk_nag
from constructs import IConstruct

PACKS = {
    "AwsSolutions": cdk_nag.AwsSolutionsChecks,
    "HIPAA": cdk_nag.HIPAASecurityChecks,
    "NIST 800-53 R5": cdk_nag.NIST80053R5Checks,
    "PCI": cdk_nag.PCIDSS321Checks,
    "Serverless": cdk_nag.ServerlessChecks,
}


def raw_findings(app: IConstruct) -> dict[str, int]:
    """Return the number of findings by pack."""
    return {
        name: sum(len(item.violating_resources) for item in pack().validate_scope(app).violations)
        for name, pack in PACKS.items()
    }
