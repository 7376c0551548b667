"""ListJobs and its filters; definitions and their revisions; tags."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def jobs(world: Any) -> Iterator[tuple[str, list[str]]]:
    """A queue that runs one job at a time, with one that runs and four that wait."""
    queue = world.queue(max_vcpus=1)
    ids = [world.submit("sleep", "600", queue=queue, jobName=f"list-{letter}") for letter in "abcde"]
    world.wait_for_status(ids[0], "RUNNING")
    yield queue, ids
    for job_id in ids:
        world.batch.terminate_job(jobId=job_id, reason="done")


def names(page: dict[str, Any]) -> list[str]:
    return [item["jobName"] for item in page["jobSummaryList"]]


def test_without_a_status_only_running_jobs_are_listed(world: Any, jobs: Any) -> None:
    assert names(world.batch.list_jobs(jobQueue=jobs[0])) == ["list-a"]


def test_pages_show_every_job_once(world: Any, jobs: Any) -> None:
    page = world.batch.list_jobs(jobQueue=jobs[0], jobStatus="RUNNABLE", maxResults=3)
    rest = world.batch.list_jobs(jobQueue=jobs[0], jobStatus="RUNNABLE", maxResults=3, nextToken=page["nextToken"])
    assert names(page) + names(rest) == ["list-e", "list-d", "list-c", "list-b"]
    assert "nextToken" not in rest


@pytest.mark.parametrize(
    ("name", "value", "count"),
    [
        ("JOB_NAME", "list-c", 1),
        ("JOB_NAME", "LIST-*", 5),
        ("JOB_NAME", "list", 0),
        ("JOB_DEFINITION", "task", 5),
        ("JOB_DEFINITION", "task:1", 5),
        ("BEFORE_CREATED_AT", "1000", 0),
        ("AFTER_CREATED_AT", "1000", 5),
    ],
)
def test_filters_ignore_the_status(world: Any, jobs: Any, name: str, value: str, count: int) -> None:
    filters = [{"name": name, "values": [value]}]
    assert len(names(world.batch.list_jobs(jobQueue=jobs[0], jobStatus="FAILED", filters=filters))) == count


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"jobQueue": "wide", "arrayJobId": "x"},
        {"jobQueue": "wide", "maxResults": 1001},
        {"jobQueue": "wide", "maxResults": 101, "filters": [{"name": "JOB_NAME", "values": ["a"]}]},
        {"jobQueue": "wide", "filters": [{"name": "COLOUR", "values": ["red"]}]},
        {"jobQueue": "absent"},
    ],
)
def test_wrong_lists_are_refused(world: Any, params: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="ClientException"):
        world.batch.list_jobs(**params)


def test_a_name_means_its_latest_active_revision(world: Any) -> None:
    name = world.define("", "echo", "one")
    world.define(name, "echo", "two")
    assert world.lines(world.run(definition=name)) == ["two"]
    assert world.lines(world.run(definition=f"{name}:1")) == ["one"]
    world.batch.deregister_job_definition(jobDefinition=f"{name}:2")
    assert world.lines(world.run(definition=name)) == ["one"]
    found = world.batch.describe_job_definitions(jobDefinitionName=name)["jobDefinitions"]
    assert [(item["revision"], item["status"]) for item in found] == [(2, "INACTIVE"), (1, "ACTIVE")]


def test_tags_of_a_job_can_be_changed(world: Any) -> None:
    job_id = world.submit(tags={"a": "1"})
    arn = world.describe(job_id)["jobArn"]
    world.batch.tag_resource(resourceArn=arn, tags={"b": "2"})
    world.batch.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert world.batch.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    assert world.describe(job_id)["tags"] == {"b": "2"}
