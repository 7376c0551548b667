"""The topic that tells people what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct, IConstruct

from hpc_constructs.operations.job_events import FIELDS, Target

USE_KEY = ["kms:Decrypt", "kms:GenerateDataKey*"]

PARENTS: Mapping[str, Any] = {
    "arrayProperties": {"index": [{"exists": False}]},
    "nodeDetails": {"nodeIndex": [{"exists": False}]},
}
"""Part of an event pattern: jobs, array jobs and multi-node jobs, but not each child and each node of theirs."""


class NoticeTopic(Construct):
    """Encrypted, TLS only. The key is our own: services cannot publish to a topic under the key alias/aws/sns, whose
    policy nobody can change (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html). It is not the
    environment's key: EventBridge, which must be admitted without a condition, is kept away from keys of data."""

    def __init__(self, scope: Construct, id: str, *, environment: str, emails: Sequence[str]) -> None:
        super().__init__(scope, id)
        self._environment = environment
        self._key = kms.Key(
            self,
            "Key",
            description=f"hpc-batch {environment}: notices",
            enable_key_rotation=True,
            # Nothing that lasts is encrypted with it: messages are gone once they are delivered.
            removal_policy=cdk.RemovalPolicy.DESTROY,
            pending_window=cdk.Duration.days(7),
        )
        self.topic = sns.Topic(
            self,
            "Topic",
            master_key=self._key,  # pyright: ignore[reportArgumentType]
            enforce_ssl=True,
        )
        for email in emails:
            sns.CfnSubscription(self, email, topic_arn=self.arn, protocol="email", endpoint=email)
        # Without a condition: a topic policy with one admits no event at all
        # (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sns-permissions).
        self._admit("events", {})
        self._admit("cloudwatch", self._own("cloudwatch", ":alarm:*"), key_conditions={})

    @property
    def arn(self) -> str:
        return self.topic.topic_arn

    @property
    def permission(self) -> IConstruct:
        """The policy that says who may publish."""
        return self.topic.node.find_child("Policy")

    def admit_budgets(self) -> None:
        """Let AWS Budgets publish (https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-sns-policy.html)."""
        conditions = self._own("budgets", ":*")
        self._admit("budgets", conditions, key_conditions=conditions)

    def job_notice(self, what: str, then: str) -> Target:
        """Return the form of a notice about a job: what happened, the job's fields, what to do next."""
        fields = {name: f"<{name}>" for name in FIELDS}
        return Target(arn=self.arn, template={"notice": what, "environment": self._environment, **fields, "next": then})

    def _own(self, service: str, rest: str) -> dict[str, Any]:
        """Return the condition that it is this account's own that publishes."""
        stack = cdk.Stack.of(self)
        region = "" if service == "budgets" else stack.region
        arn = f"arn:{stack.partition}:{service}:{region}:{stack.account}{rest}"
        return {"StringEquals": {"aws:SourceAccount": stack.account}, "ArnLike": {"aws:SourceArn": arn}}

    def _admit(self, service: str, conditions: dict[str, Any], *, key_conditions: dict[str, Any] | None = None) -> None:
        principal = iam.ServicePrincipal(f"{service}.amazonaws.com")
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid=f"Publish{service.capitalize()}",
                principals=[principal],  # pyright: ignore[reportArgumentType]
                actions=["sns:Publish"],
                resources=[self.arn],
                conditions=conditions,
            )
        )
        self._key.add_to_resource_policy(
            iam.PolicyStatement(
                sid=f"Encrypt{service.capitalize()}",
                principals=[principal],  # pyright: ignore[reportArgumentType]
                actions=USE_KEY,
                resources=["*"],
                conditions=key_conditions or {},
            )
        )
