"""The contract: the parameters that an environment publishes for submitters."""

from __future__ import annotations

import json

from aws_cdk import aws_ssm as ssm
from constructs import Construct

from hpc.contract import objects
from hpc.contract.version import VERSION

LONGEST_VALUE = 4096
"""https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"""


class Publication(Construct):
    """SSM parameters, one for each published object."""

    def __init__(self, scope: Construct, id: str, *, environment: str) -> None:
        super().__init__(scope, id)
        self._environment = environment

    def meta(self, item: objects.Meta) -> None:
        self._publish(("meta",), item)

    def queue(self, item: objects.Queue) -> None:
        self._publish(("queues", item.name), item)

    def project(self, item: objects.Project) -> None:
        self._publish(("projects", item.name), item)

    def definition(self, item: objects.Definition) -> None:
        self._publish(("definitions", item.project, item.name), item)

    def _publish(
        self,
        parts: tuple[str, ...],
        item: objects.Meta | objects.Queue | objects.Project | objects.Definition,
    ) -> None:
        # Tokens inside are ARNs, names and URIs, which need no escaping in JSON; CDK's to_json_string drops nulls.
        value = json.dumps(objects.to_json(item))
        name = objects.parameter_name(self._environment, *parts)
        if len(value) > LONGEST_VALUE:
            raise ValueError(f"{name} is longer than the {LONGEST_VALUE} characters of a standard parameter")
        ssm.CfnParameter(
            self,
            "-".join(parts),
            type="String",
            name=name,
            description=f"hpc-batch contract {VERSION}",
            value=value,
        )
