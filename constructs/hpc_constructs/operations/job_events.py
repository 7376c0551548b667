"""EventBridge rules for job events of AWS Batch
(https://docs.aws.amazon.com/batch/latest/userguide/batch_cwe_events.html).

An event holds the whole job, including its command, variables and parameters. Only the fields that are listed here are
passed on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from aws_cdk import aws_events as events
from constructs import Construct

from hpc_constructs.operations.dead_letters import DeadLetters

STATE_CHANGE = "Batch Job State Change"
QUEUE_BLOCKED = "Batch Job Queue Blocked"
"""https://docs.aws.amazon.com/batch/latest/userguide/batch-job-queue-blocked-events.html"""

REASON = "statusReason"
FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "jobId": "$.detail.jobId",
        "jobName": "$.detail.jobName",
        "jobQueue": "$.detail.jobQueue",
        "jobDefinition": "$.detail.jobDefinition",
        "status": "$.detail.status",
        REASON: "$.detail.statusReason",
        "exitCode": "$.detail.container.exitCode",
        "logStream": "$.detail.container.logStreamName",
        "createdAt": "$.detail.createdAt",
        "startedAt": "$.detail.startedAt",
        "stoppedAt": "$.detail.stoppedAt",
        "arrayIndex": "$.detail.arrayProperties.index",
        "arraySize": "$.detail.arrayProperties.size",
        "nodeIndex": "$.detail.nodeDetails.nodeIndex",
        "nodes": "$.detail.nodeProperties.numNodes",
        # Run, project and user as one text: paths cannot name a key with a colon, such as hpc:run
        # (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html).
        "tags": "$.detail.tags",
    }
)
"""Fields that are passed on: name, and path in the event. A missing field becomes an empty text. No path counts
attempts; they are the events with the status STARTING."""

QUOTED: list[Any] = [{"wildcard": '*"*'}, {"wildcard": "*\\\\*"}]
PLAIN: list[Any] = [{"exists": False}, {"anything-but": {"wildcard": ['*"*', "*\\\\*"]}}]
"""Patterns of reasons that can and cannot be put into a template: without and with quotation mark or backslash."""
OMITTED = "(cannot be passed on: see the job)"

QUEUES_A_RULE = 25
"""An event pattern has at most 4,096 characters
(https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html), and an ARN about 100."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Target of events, and the form in which it gets them."""

    arn: str
    template: Mapping[str, str]
    """Keys, and values with `<field>` as placeholder of a field."""
    enclosed: bool = False
    """True for a text in the `message` of a log event, false for a JSON object
    (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html)."""

    def input_template(self, *, with_reason: bool) -> str:
        """Return the template in EventBridge's syntax."""
        text = json.dumps(self.template)
        if not with_reason:
            text = text.replace(f"<{REASON}>", OMITTED)
        return '{"timestamp": <time>, "message": ' + json.dumps(text) + "}" if self.enclosed else text

    def paths(self, *, with_reason: bool) -> dict[str, str]:
        """Return the variables that the template uses."""
        template = self.input_template(with_reason=with_reason)
        known = {**FIELDS, "time": "$.time"}
        return {name: path for name, path in known.items() if f"<{name}>" in template}


class JobEventRules(Construct):
    """Two rules for the same events, since EventBridge does not escape values in a template
    (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html#eb-transform-input-issues),
    and a reason with a quotation mark would break it and lose the event. Such events are sent without their reason."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        description: str,
        detail_type: str,
        queue_arns: Sequence[str],
        detail: Mapping[str, Any],
        target: Target,
        dead_letters: DeadLetters,
    ) -> None:
        super().__init__(scope, id)
        self._target, self._dead_letters, self._description = target, dead_letters, description
        self.rule_arns: list[str] = []
        for start in range(0, len(queue_arns), QUEUES_A_RULE):
            pattern = {
                "source": ["aws.batch"],
                "detail-type": [detail_type],
                "detail": {"jobQueue": queue_arns[start : start + QUEUES_A_RULE], **detail},
            }
            suffix = str(start or "")
            self._rule(f"Rule{suffix}", pattern, PLAIN, with_reason=True)
            self._rule(f"QuotedReason{suffix}", pattern, QUOTED, with_reason=False)

    def _rule(self, name: str, pattern: dict[str, Any], reason: list[Any], *, with_reason: bool) -> None:
        rule = events.CfnRule(
            self,
            name,
            description=self._description,
            event_pattern=pattern | {"detail": pattern["detail"] | {REASON: reason}},
            targets=[
                events.CfnRule.TargetProperty(
                    id="Target",
                    arn=self._target.arn,
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=self._dead_letters.arn),
                    input_transformer=events.CfnRule.InputTransformerProperty(
                        input_template=self._target.input_template(with_reason=with_reason),
                        input_paths_map=self._target.paths(with_reason=with_reason),
                    ),
                )
            ],
        )
        self.rule_arns.append(rule.attr_arn)
