"""SNS topic of notices about failures."""

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
"""Part of an event pattern that matches jobs, array jobs and multi-node jobs, but not their children and nodes."""


class NoticeTopic(Construct):
    """A topic, encrypted and TLS only. It has a dedicated key, since services cannot publish to a topic with the key
    alias/aws/sns, whose policy cannot be changed (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html).
    It is not the environment's key: EventBridge must be admitted without a condition, which the key of data must not
    allow."""

    def __init__(self, scope: Construct, id: str, *, environment: str, emails: Sequence[str]) -> None:
        super().__init__(scope, id)
        self._environment = environment
        self._key = kms.Key(
            self,
            "Key",
            description=f"hpc-batch {environment}: notices",
            enable_key_rotation=True,
            # Nothing persistent is encrypted with it: messages are deleted once they are delivered.
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
        # Without a condition, since a topic policy with one admits no event at all
        # (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sns-permissions).
        self._admit("events", {})
        self._admit("cloudwatch", self._own("cloudwatch", ":alarm:*"), key_conditions={})

    @property
    def arn(self) -> str:
        return self.topic.topic_arn

    @property
    def permission(self) -> IConstruct:
        """The topic policy, which lists the publishers."""
        return self.topic.node.find_child("Policy")

    def admit_budgets(self) -> None:
        """Allow AWS Budgets to publish
        (https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-sns-policy.html)."""
        conditions = self._own("budgets", ":*")
        self._admit("budgets", conditions, key_conditions=conditions)

    def job_notice(self, what: str, then: str) -> Target:
        """Return the form of a notice about a job: the event, the job's fields, and the next step."""
        fields = {name: f"<{name}>" for name in FIELDS}
        return Target(arn=self.arn, template={"notice": what, "environment": self._environment, **fields, "next": then})

    def _own(self, service: str, rest: str) -> dict[str, Any]:
        """Return the condition that the publisher acts for this account."""
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
