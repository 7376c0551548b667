"""Events of jobs and their delivery to targets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.localcloud.conftest import World, wait_for

pytestmark = pytest.mark.slow

TIMES = {"time": "$.time", "job": "$.detail.jobId", "reason": "$.detail.statusReason"}


class Bus:
    """A rule on the state changes of one job name, with one target and a dead-letter queue."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.events, self.sqs, self.sns, self.logs = (world.client(it) for it in ("events", "sqs", "sns", "logs"))
        self.dead = self.queue(f"{name}-dead")
        self.group = f"/history/{name}"
        self.logs.create_log_group(logGroupName=self.group)
        pattern = {"source": ["aws.batch"], "detail": {"jobName": [name], "status": ["SUCCEEDED", "FAILED"]}}
        self.events.put_rule(Name=name, EventPattern=json.dumps(pattern))

    def queue(self, name: str) -> str:
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def target(self, arn: str, template: str | None) -> None:
        transformer = {"InputTransformer": {"InputPathsMap": TIMES, "InputTemplate": template}} if template else {}
        target = {"Id": "one", "Arn": arn, "DeadLetterConfig": {"Arn": self.dead}, **transformer}
        self.events.put_targets(Rule=self.name, Targets=[target])

    def log_target(self, template: str | None) -> None:
        self.target(f"arn:aws:logs:us-east-1:000000000000:log-group:{self.group}", template)

    def permit_logs(self, **more: Any) -> None:
        statement = {
            "Effect": "Allow", "Principal": {"Service": ["events.amazonaws.com"]},
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"arn:aws:logs:us-east-1:000000000000:log-group:{self.group}:*", **more,
        }  # fmt: skip
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.logs.put_resource_policy(policyName=self.name, policyDocument=document)

    def written(self) -> list[dict[str, Any]]:
        return self.logs.filter_log_events(logGroupName=self.group)["events"]

    def received(self, name: str) -> list[dict[str, Any]]:
        url = self.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        return [json.loads(item["Body"]) for item in self.sqs.receive_message(QueueUrl=url).get("Messages", [])]

    def buried(self) -> list[dict[str, Any]]:
        return self.received(f"{self.name}-dead")

    def run(self, *command: str) -> str:
        return self.world.run(*command, jobName=self.name)["jobId"]

    def close(self) -> None:
        self.events.remove_targets(Rule=self.name, Ids=["one"])
        self.events.delete_rule(Name=self.name)
        self.logs.delete_log_group(logGroupName=self.group)


@pytest.fixture
def bus(world: World) -> Iterator[Bus]:
    bus = Bus(world, world.unique("bus"))
    yield bus
    bus.close()


def test_a_log_group_takes_timestamp_and_message(bus: Bus) -> None:
    bus.permit_logs()
    bus.log_target('{"timestamp": <time>, "message": "{\\"job\\": \\"<job>\\"}"}')
    job_id = bus.run("true")
    (entry,) = wait_for(bus.written)
    assert json.loads(entry["message"]) == {"job": job_id}


def test_a_log_group_takes_an_event_as_it_is(bus: Bus) -> None:
    bus.permit_logs()
    bus.log_target(None)
    job_id = bus.run("true")
    (entry,) = wait_for(bus.written)
    event = json.loads(entry["message"])
    assert (event["source"], event["detail-type"]) == ("aws.batch", "Batch Job State Change")
    assert event["detail"]["jobId"] == job_id
    assert event["detail"]["container"]["command"] == ["true"]
    assert event["resources"] == [event["detail"]["jobArn"]]


@pytest.mark.parametrize(
    "template",
    [
        '{"timestamp": <time>, "message": {"job": <job>}}',
        '{"timestamp": <time>, "message": "<job>", "more": 1}',
        '{"when": <time>, "message": "<job>"}',
    ],
)
def test_any_other_form_goes_to_the_dead_letters_as_the_event_was(bus: Bus, template: str) -> None:
    bus.permit_logs()
    bus.log_target(template)
    job_id = bus.run("true")
    (event,) = wait_for(bus.buried)
    assert event["detail"]["jobId"] == job_id
    assert bus.written() == []


def test_a_value_with_a_quotation_mark_breaks_the_template(bus: Bus) -> None:
    bus.permit_logs()
    bus.log_target('{"timestamp": <time>, "message": "<reason>"}')
    job_id = bus.world.submit("sleep", "60", jobName=bus.name)
    bus.world.batch.terminate_job(jobId=job_id, reason='said "no"')
    (event,) = wait_for(bus.buried)
    assert event["detail"]["statusReason"] == 'said "no"'
    assert bus.written() == []


@pytest.mark.parametrize(
    "change",
    [
        {"Principal": {"Service": "logs.amazonaws.com"}},
        {"Action": "logs:CreateLogStream"},
        {"Resource": "arn:aws:logs:us-east-1:000000000000:log-group:/other:*"},
        {"Effect": "Deny"},
    ],
)
def test_without_a_permission_nothing_is_written(bus: Bus, change: dict[str, Any]) -> None:
    bus.permit_logs(**change)
    bus.log_target('{"timestamp": <time>, "message": "<job>"}')
    bus.run("true")
    assert wait_for(bus.buried)
    assert bus.written() == []


@pytest.mark.parametrize(
    ("condition", "arrives"),
    [({}, True), ({"Condition": {"StringEquals": {"aws:SourceAccount": "000000000000"}}}, False)],
)
def test_a_topic_whose_policy_has_a_condition_gets_nothing(bus: Bus, condition: dict[str, Any], arrives: bool) -> None:
    topic = bus.sns.create_topic(Name=bus.name)["TopicArn"]
    statement = {
        "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish", "Resource": topic,
        **condition,
    }  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    bus.sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    subscriber = bus.queue(f"{bus.name}-subscriber")
    bus.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=subscriber, Attributes={"RawMessageDelivery": "true"})
    bus.target(topic, '{"job": "<job>"}')
    job_id = bus.run("true")
    if arrives:
        assert wait_for(lambda: bus.received(f"{bus.name}-subscriber")) == [{"job": job_id}]
        assert bus.buried() == []
    else:
        assert [item["detail"]["jobId"] for item in wait_for(bus.buried)] == [job_id]
        assert bus.received(f"{bus.name}-subscriber") == []
