"""Policies fit into what IAM takes."""

from __future__ import annotations

import json
from typing import Any

from tests.stacks.iam.deployed import Deployed

LONGEST_POLICY = 6144
"""Characters of a managed policy, white space not counted
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html)."""


def test_no_policy_is_longer_than_iam_takes(stacks: Any) -> None:
    deployed = Deployed(stacks)
    for template in stacks.templates:
        for key in template.of("AWS::IAM::ManagedPolicy"):
            document = json.dumps(deployed.policy(template, key), separators=(",", ":"))
            assert len(document) <= LONGEST_POLICY, key
