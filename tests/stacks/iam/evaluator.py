"""Client of @cloud-copilot/iam-simulate, which evaluates policies as IAM documents it, and knows every service's
actions, resources and condition keys. Development only: it is under the AGPL, and nothing of the package imports it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.stacks.iam.deployed import ACCOUNT

HERE = Path(__file__).parent
NODE = Path(sys.executable).with_name("node")
Context = Mapping[str, str | list[str]]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call of an API by one principal."""

    principal: str
    policies: Sequence[Any]
    """Identity policies of the principal."""
    action: str
    resource: str
    owner: str = ACCOUNT
    """Account of the resource."""
    context: Context = field(default_factory=dict)
    resource_policy: Any = None
    endpoint_policy: Any = None

    def simulation(self) -> dict[str, Any]:
        endpoint = {"vpcEndpointPolicies": [_named(self.endpoint_policy)]} if self.endpoint_policy else {}
        resource = {"resourcePolicy": self.resource_policy} if self.resource_policy else {}
        return {
            "request": {
                "principal": self.principal,
                "action": self.action,
                "resource": {"resource": self.resource, "accountId": self.owner},
                "contextVariables": dict(self.context),
            },
            "identityPolicies": [_named(policy) for policy in self.policies],
            "serviceControlPolicies": [],
            "resourceControlPolicies": [],
            **endpoint,
            **resource,
        }


def _named(policy: Any) -> dict[str, Any]:
    return {"name": "policy", "policy": policy}


def evaluate(requests: Sequence[Request]) -> list[bool]:
    """Return for each request whether it is allowed.

    Raises:
        AssertionError: the evaluator found a policy, an action, a resource or a context key that IAM does not know.
    """
    done = subprocess.run(
        [NODE, HERE / "simulate.mjs"],
        input=json.dumps([request.simulation() for request in requests]),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = json.loads(done.stdout)
    for request, answer in zip(requests, answers, strict=True):
        assert "error" not in answer, (request.action, request.resource, answer["error"])
    return [answer["verdict"] == "Allowed" for answer in answers]
