"""Dead-letter queue of events that could not be delivered."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

RETENTION = cdk.Duration.days(14)
"""Longest retention of a message in SQS."""


class DeadLetters(Construct):
    """A queue of whole events, which hold the commands and variables of jobs: encrypted, TLS only, and readable by
    the account's administrators only."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self.queue = sqs.Queue(
            self,
            "Queue",
            # EventBridge can use SQS managed encryption without a grant; a KMS key would have to admit it in its
            # policy.
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=RETENTION,
        )

    @property
    def arn(self) -> str:
        return self.queue.queue_arn

    def admit(self, rule_arns: Sequence[str]) -> None:
        """Allow EventBridge to send events here that the rules could not deliver
        (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html#eb-dlq-perms)."""
        self.queue.add_to_resource_policy(
            iam.PolicyStatement(
                sid="UndeliveredEvents",
                principals=[iam.ServicePrincipal("events.amazonaws.com")],  # pyright: ignore[reportArgumentType]
                actions=["sqs:SendMessage"],
                resources=[self.arn],
                conditions={"ArnEquals": {"aws:SourceArn": list(rule_arns)}},
            )
        )
