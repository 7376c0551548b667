"""Delivery features that ministack's EventBridge lacks: CloudWatch Logs as a target, permissions, failing input
templates and dead-letter queues (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from ministack.core.arn import parse_arn
from ministack.services import cloudwatch_logs, eventbridge, sns

from localcloud.json_types import Json

Invoke = Callable[..., None]


class UndeliveredError(Exception):
    """The target did not accept the event."""


def install() -> None:
    """Wrap ministack's delivery in ours."""
    original: Invoke = eventbridge._invoke_target

    def invoke(target: Json, event: Json, rule: Json, view: Any = None) -> None:
        view = view or eventbridge._pattern_event_view(event)
        try:
            _deliver(target, event, rule, view, original)
        except UndeliveredError as error:
            eventbridge.logger.warning("EventBridge: %s: %s", target.get("Arn"), error)
            _dead_letter(target, view)

    eventbridge._invoke_target = invoke


def _deliver(target: Json, event: Json, rule: Json, view: Any, original: Invoke) -> None:
    spec = parse_arn(target["Arn"])
    if spec.service not in {"logs", "sns"}:
        original(target, event, rule, view)
        return
    text = _text(target, rule, view)
    if spec.service == "logs":
        _log(target["Arn"], text, rule["Name"])
        return
    topic = sns._topic_by_arn_any_scope(target["Arn"])
    if topic is None or not _allowed(topic["attributes"].get("Policy"), "sns:Publish", target["Arn"]):
        raise UndeliveredError("no such topic, or its policy does not let events.amazonaws.com publish")
    sns.publish_internal(target["Arn"], text)


def _text(target: Json, rule: Json, view: Any) -> str:
    transformer = target.get("InputTransformer")
    if transformer is None:
        return target.get("Input") or json.dumps(view.event_with_detail())
    text = eventbridge._apply_input_transformer(transformer, rule, view)
    # Values are not escaped: a quotation mark in one breaks a JSON template.
    if transformer["InputTemplate"].lstrip().startswith("{"):
        try:
            json.loads(text)
        except ValueError:
            raise UndeliveredError(f"the input template did not produce JSON: {text[:200]}") from None
    return text


def _log(arn: str, text: str, rule_name: str) -> None:
    """Write a log event: an object with exactly `timestamp` and `message`, or the whole event
    (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html)."""
    group = arn.partition(":log-group:")[2].removesuffix(":*")
    entry = json.loads(text)
    if set(entry) == {"timestamp", "message"}:
        if not isinstance(entry["message"], str):
            raise UndeliveredError("the message of a log event must be a string")
        when, message = _milliseconds(entry["timestamp"]), entry["message"]
    elif "detail-type" in entry:
        when, message = _milliseconds(entry["time"]), text
    else:
        raise UndeliveredError("a log group takes {timestamp, message} or the unchanged event")
    policies = [item["policyDocument"] for item in cloudwatch_logs._resource_policies.values()]
    stream_arn = f"{arn.removesuffix(':*')}:log-stream:{rule_name}"
    if not any(_allowed(policy, "logs:PutLogEvents", stream_arn) for policy in policies):
        raise UndeliveredError("no resource policy of CloudWatch Logs lets events.amazonaws.com write")
    if rule_name not in cloudwatch_logs._log_groups.get(group, {"streams": ()})["streams"]:
        cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": rule_name})
    status, _, body = cloudwatch_logs._put_log_events(
        {
            "logGroupName": group,
            "logStreamName": rule_name,
            "logEvents": [{"timestamp": when, "message": message}],
        }
    )
    if status >= 400:
        raise UndeliveredError(body.decode())


def _milliseconds(value: str | int) -> int:
    return value if isinstance(value, int) else int(datetime.fromisoformat(value).timestamp() * 1000)


def _allowed(policy: str | Json | None, action: str, resource: str) -> bool:
    return _text_allows(policy if isinstance(policy, str) else json.dumps(policy or {}), action, resource)


@lru_cache(maxsize=100)
def _text_allows(policy: str, action: str, resource: str) -> bool:
    """Return whether a statement allows the action to EventBridge. One with a condition never does, since the service
    sends no condition keys."""
    return any(
        item.get("Effect") == "Allow"
        and not item.get("Condition")
        and "events.amazonaws.com" in _list(item.get("Principal", {}), "Service")
        and action.lower() in {name.lower() for name in _list(item, "Action")}
        and any(fnmatchcase(resource, pattern) for pattern in _list(item, "Resource"))
        for item in json.loads(policy).get("Statement", [])
    )


def _list(holder: Any, key: str) -> Iterator[str]:
    value = holder.get(key, []) if isinstance(holder, dict) else []
    yield from [value] if isinstance(value, str) else value


def _dead_letter(target: Json, view: Any) -> None:
    """Send the unchanged event to the target's dead-letter queue."""
    arn = target.get("DeadLetterConfig", {}).get("Arn")
    if arn:
        eventbridge._dispatch_to_sqs(parse_arn(arn), json.dumps(view.event_with_detail()))
