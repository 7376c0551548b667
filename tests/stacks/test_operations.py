"""Monitoring: publishers of the topic, fields of events that are passed on, metrics."""

import json
import re
from typing import Any

import pytest

from hpc_constructs.config import parse
from hpc_constructs.operations import batch_metrics, job_events
from tests.stacks.conftest import Stacks, synthesize, text

UNTOLD = {"command", "environment", "parameters", "secrets", "nodeRangeProperties", "ecsProperties", "attempts"}
WHOLE = {"detail", "container", "arrayProperties", "nodeDetails", "nodeProperties"}
"""Objects with confidential parts, of which only single fields are passed on."""


def rules(stacks: Stacks) -> dict[str, Any]:
    return stacks.operations.of("AWS::Events::Rule")


def statements(policy: Any, service: str) -> list[Any]:
    found = policy["PolicyDocument" if "PolicyDocument" in policy else "KeyPolicy"]["Statement"]
    return [item for item in found if item.get("Principal", {}) == {"Service": f"{service}.amazonaws.com"}]


def test_events_match_by_the_arns_of_the_environments_queues_alone(stacks: Stacks) -> None:
    own = {f"/hpc-operations/{stacks.environment.name}/queues/{name}": name for name in stacks.environment.queues}
    parameters = {key: item["Default"] for key, item in stacks.operations.raw["Parameters"].items()}
    for rule in rules(stacks).values():
        pattern = rule["EventPattern"]
        assert pattern["source"] == ["aws.batch"]
        assert [parameters[item["Ref"]] for item in pattern["detail"]["jobQueue"]] == list(own)


def test_the_compute_stack_writes_the_arns_that_operations_reads(stacks: Stacks) -> None:
    written = {
        item["Name"]: text(item["Value"])
        for item in stacks.compute.of("AWS::SSM::Parameter").values()
        if item["Name"].startswith("/hpc-operations/")
    }
    read = {
        item["Default"]
        for item in stacks.operations.raw["Parameters"].values()
        if item["Default"].startswith(f"/hpc-operations/{stacks.environment.name}/")
    }
    of_foundation = {f"/hpc-operations/{stacks.environment.name}/key"}
    assert set(written) == read - of_foundation
    logs = written.pop(f"/hpc-operations/{stacks.environment.name}/log-group")
    assert ":log-group:" in logs
    assert all(re.fullmatch(r"\$\{\w+\.JobQueueArn\}", value) for value in written.values())


def test_the_foundation_stack_writes_the_arn_of_the_key_that_operations_reads(stacks: Stacks) -> None:
    written = stacks.foundation.only("AWS::SSM::Parameter")
    read = stacks.operations.raw["Parameters"][stacks.operations.only("AWS::Logs::LogGroup")["KmsKeyId"]["Ref"]]
    assert read["Default"] == written["Name"]
    assert re.fullmatch(r"\$\{Key\w+\.Arn\}", text(written["Value"]))


def test_operations_imports_nothing_that_would_tie_down_the_other_stacks(stacks: Stacks) -> None:
    assert "Fn::ImportValue" not in stacks.operations.path.read_text()


def test_notices_are_of_failed_jobs_without_children_and_nodes_and_of_blocked_queues(dev: Stacks) -> None:
    topic = next(iter(dev.operations.of("AWS::SNS::Topic")))
    told = [item for item in rules(dev).values() if item["Targets"][0]["Arn"] == {"Ref": topic}]
    kinds: dict[str, list[Any]] = {}
    for rule in told:
        detail = dict(rule["EventPattern"]["detail"])
        del detail["jobQueue"], detail["statusReason"]
        kinds.setdefault(rule["EventPattern"]["detail-type"][0], []).append(detail)
    absent = [{"exists": False}]
    failed = {"status": ["FAILED"], "arrayProperties": {"index": absent}, "nodeDetails": {"nodeIndex": absent}}
    assert kinds == {"Batch Job State Change": [failed, failed], "Batch Job Queue Blocked": [{}, {}]}


def test_every_event_goes_to_one_rule_of_each_pair_whatever_its_reason(dev: Stacks) -> None:
    pairs: dict[str, list[Any]] = {}
    for key, rule in rules(dev).items():
        pairs.setdefault(re.sub("(Quoted)?R(ule|eason).*", "", key), []).append(rule["EventPattern"]["detail"])
    assert len(pairs) == 3
    for pair in pairs.values():
        quoted, plain = sorted((item["statusReason"] for item in pair), key=lambda item: "exists" in json.dumps(item))
        marks = [item["wildcard"] for item in quoted]
        assert plain == [{"exists": False}, {"anything-but": {"wildcard": marks}}]
        assert marks == ['*"*', r"*\\*"]


def test_what_leaves_an_event_is_named_field_by_field(stacks: Stacks) -> None:
    for rule in rules(stacks).values():
        (target,) = rule["Targets"]
        transformer = target["InputTransformer"]
        paths = transformer["InputPathsMap"]
        assert set(paths.values()) <= {*job_events.FIELDS.values(), "$.time"}
        for path in paths.values():
            parts = path.split(".")
            assert UNTOLD.isdisjoint(parts)
            assert parts[-1] not in WHOLE
        assert set(re.findall("<([^>]+)>", transformer["InputTemplate"])) == set(paths)


def test_a_log_event_is_a_time_and_a_text_that_is_json(dev: Stacks) -> None:
    group = next(iter(dev.operations.of("AWS::Logs::LogGroup")))
    told = [rule["Targets"][0] for rule in rules(dev).values() if group in json.dumps(rule["Targets"][0]["Arn"])]
    assert len(told) == 2
    for target in told:
        template = target["InputTransformer"]["InputTemplate"]
        entry = json.loads(template.replace("<time>", '"2026-11-22T17:33:55Z"'))
        assert set(entry) == {"timestamp", "message"}
        assert set(json.loads(entry["message"])) == set(job_events.FIELDS)


def test_eventbridge_may_write_into_the_history_and_no_other_group(stacks: Stacks) -> None:
    group = next(iter(stacks.operations.of("AWS::Logs::LogGroup")))
    policy = stacks.operations.only("AWS::Logs::ResourcePolicy")
    assert policy["PolicyName"] == f"hpc-{stacks.environment.name}-job-history"
    parts = policy["PolicyDocument"]["Fn::Join"][1]
    document = json.loads("".join(item if isinstance(item, str) else f"${{{item['Ref']}}}" for item in parts))
    (statement,) = document["Statement"]
    assert statement["Resource"].endswith(f":log-group:${{{group}}}:*")
    assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]


def test_the_history_is_kept_as_the_configuration_says(dev: Stacks, minimal: Stacks) -> None:
    (of_dev,) = [item for item in dev.operations.resources.values() if item["Type"] == "AWS::Logs::LogGroup"]
    (of_minimal,) = [item for item in minimal.operations.resources.values() if item["Type"] == "AWS::Logs::LogGroup"]
    assert (of_dev["DeletionPolicy"], of_minimal["DeletionPolicy"]) == ("Delete", "RetainExceptOnCreate")
    assert of_minimal["Properties"]["RetentionInDays"] == minimal.environment.operations.history_retention_days


def test_the_topic_has_a_key_of_its_own_and_takes_nothing_without_tls(stacks: Stacks) -> None:
    key = next(iter(stacks.operations.of("AWS::KMS::Key")))
    assert stacks.operations.only("AWS::SNS::Topic")["KmsMasterKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    assert stacks.operations.only("AWS::KMS::Key")["EnableKeyRotation"] is True
    found = stacks.operations.only("AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    (denied,) = [item for item in found if item["Effect"] == "Deny"]
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_eventbridge_may_publish_without_a_condition_which_it_would_never_meet(stacks: Stacks) -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sns-permissions"""
    for policy in ("AWS::SNS::TopicPolicy", "AWS::KMS::Key"):
        (statement,) = statements(stacks.operations.only(policy), "events")
        assert "Condition" not in statement


def test_alarms_and_budgets_may_publish_for_this_account_alone(wide: Stacks) -> None:
    policy = wide.operations.only("AWS::SNS::TopicPolicy")
    for service in ("cloudwatch", "budgets"):
        (statement,) = statements(policy, service)
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
        assert "aws:SourceArn" in statement["Condition"]["ArnLike"]
    assert statements(wide.operations.only("AWS::KMS::Key"), "budgets")[0]["Condition"]


def test_undelivered_events_of_every_rule_go_to_an_encrypted_queue_that_only_these_rules_fill(stacks: Stacks) -> None:
    queue, settings = next(iter(stacks.operations.of("AWS::SQS::Queue").items()))
    assert settings["SqsManagedSseEnabled"] is True
    for rule in rules(stacks).values():
        assert rule["Targets"][0]["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": [queue, "Arn"]}}
    (statement,) = statements(stacks.operations.only("AWS::SQS::QueuePolicy"), "events")
    admitted = [item["Fn::GetAtt"] for item in statement["Condition"]["ArnEquals"]["aws:SourceArn"]]
    assert sorted(admitted) == sorted([name, "Arn"] for name in rules(stacks))
    found = stacks.operations.only("AWS::SQS::QueuePolicy")["PolicyDocument"]["Statement"]
    assert {"Bool": {"aws:SecureTransport": "false"}} in [
        item["Condition"] for item in found if item["Effect"] == "Deny"
    ]


def test_each_queue_has_its_alarms_and_they_tell_the_topic(stacks: Stacks) -> None:
    alarms = stacks.operations.of("AWS::CloudWatch::Alarm")
    topic = next(iter(stacks.operations.of("AWS::SNS::Topic")))
    assert len(alarms) == 2 * len(stacks.environment.queues) + 1
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == [{"Ref": topic}]
        assert alarm["TreatMissingData"] == "notBreaching"
    waits = [item for item in alarms.values() if item["MetricName"] == "JobAttemptRunnableToStartingDuration"]
    milliseconds = stacks.environment.operations.alarm_wait_minutes * 60 * 1000
    assert [item["Threshold"] for item in waits] == [milliseconds] * len(stacks.environment.queues)


DOCUMENTED = {
    "JobsSubmitted", "JobsMovedToPending", "JobsMovedToRunnable", "JobsMovedToStarting", "JobsMovedToRunning",
    "JobsMovedToSucceeded", "JobsMovedToFailed", "JobsCancelled", "JobsTerminated", "JobsRetried",
    "JobSubmittedToRunnableDuration", "JobAttemptStartingToRunningDuration", "JobAttemptExecutionDuration",
    "JobAttemptDuration", "JobSubmittedToFirstStartingDuration", "JobAttemptRunnableToStartingDuration",
}  # fmt: skip
"""https://docs.aws.amazon.com/batch/latest/userguide/using_cloudwatch_metrics.html, without service jobs."""


def test_alarms_and_dashboard_ask_only_for_metrics_that_aws_documents(stacks: Stacks) -> None:
    asked = {
        (item["Namespace"], item["MetricName"], item["Dimensions"][0]["Name"])
        for item in stacks.operations.of("AWS::CloudWatch::Alarm").values()
    }
    body = dashboard(stacks)
    for widget in body["widgets"]:
        asked |= {(item[0], item[1], item[2]) for item in widget["properties"].get("metrics", [])}
    known = {("AWS/Batch", name, "JobQueueName") for name in DOCUMENTED}
    assert asked <= known | {("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName")}
    assert set(batch_metrics.Name.__args__) <= DOCUMENTED  # type: ignore[attr-defined]


def dashboard(stacks: Stacks) -> Any:
    parts = stacks.operations.only("AWS::CloudWatch::Dashboard")["DashboardBody"]["Fn::Join"][1]
    return json.loads("".join(item if isinstance(item, str) else "X" for item in parts))


def test_the_dashboard_has_a_line_for_each_queue_and_asks_the_history_for_fields_that_it_has(stacks: Stacks) -> None:
    graphs = [item["properties"] for item in dashboard(stacks)["widgets"] if item["type"] == "metric"]
    batch = [item for item in graphs if item["metrics"][0][0] == "AWS/Batch"]
    assert batch
    for graph in batch:
        assert [item[4]["label"] for item in graph["metrics"]] == list(stacks.environment.queues)
    tables = [item["properties"]["query"] for item in dashboard(stacks)["widgets"] if item["type"] == "log"]
    words = set(re.findall(r"[a-z]+[A-Z]\w+", re.sub(r"/.*?/|@\w+", "", " ".join(tables))))
    assert words <= set(job_events.FIELDS)


def test_there_is_no_dashboard_where_none_is_wanted(tmp_path: Any) -> None:
    environment = parse("operations: {dashboard: false}", file="environments/x.yaml", name="x")
    assert not synthesize(environment, tmp_path).operations.of("AWS::CloudWatch::Dashboard")


def test_without_a_word_nobody_is_written_to_and_there_is_no_budget(dev: Stacks, minimal: Stacks) -> None:
    for stacks in (dev, minimal):
        assert not stacks.operations.of("AWS::SNS::Subscription")
        assert not stacks.operations.of("AWS::Budgets::Budget")
        assert not statements(stacks.operations.only("AWS::SNS::TopicPolicy"), "budgets")


def test_the_budget_is_of_what_carries_the_environments_tag(wide: Stacks) -> None:
    properties = wide.operations.only("AWS::Budgets::Budget")
    assert properties["Budget"]["CostFilters"] == {"TagKeyValue": ["user:hpc:environment$wide"]}
    assert properties["Budget"]["BudgetLimit"] == {"Amount": 5000, "Unit": "USD"}
    notices = [item["Notification"] for item in properties["NotificationsWithSubscribers"]]
    assert [(item["NotificationType"], item["Threshold"]) for item in notices] == [
        ("ACTUAL", 50), ("ACTUAL", 90), ("FORECASTED", 100),
    ]  # fmt: skip


def test_every_address_is_subscribed(wide: Stacks) -> None:
    found = wide.operations.of("AWS::SNS::Subscription").values()
    assert [(item["Protocol"], item["Endpoint"]) for item in found] == [
        ("email", "team@example.com"), ("email", "lead@example.com"),
    ]  # fmt: skip


@pytest.mark.slow
def test_patterns_stay_below_the_longest_that_eventbridge_takes_however_many_queues(tmp_path: Any) -> None:
    queues = "".join(f"  q{number}: {{compute_environments: [spot]}}\n" for number in range(47))
    stacks = synthesize(parse(f"queues:\n{queues}", file="environments/x.yaml", name="x"), tmp_path)
    arn = f"arn:aws-us-gov:batch:us-gov-west-1:123456789012:job-queue/{'Q' * 41}"
    seen: list[str] = []
    for rule in rules(stacks).values():
        pattern = rule["EventPattern"]
        if len(pattern["detail"]) == 2 and {"exists": False} in pattern["detail"]["statusReason"]:
            seen += [item["Ref"] for item in pattern["detail"]["jobQueue"]] if "History" in json.dumps(rule) else []
        pattern["detail"]["jobQueue"] = [arn] * len(pattern["detail"]["jobQueue"])
        assert len(json.dumps(pattern)) <= 4096
    assert len(seen) == len(set(seen)) == 50
