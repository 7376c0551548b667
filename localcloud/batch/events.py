"""The events that Batch sends to EventBridge
(https://docs.aws.amazon.com/batch/latest/userguide/batch_cwe_events.html)."""

from __future__ import annotations

import json

from ministack.core.responses import request_scope
from ministack.services import eventbridge

from localcloud.batch import api_views
from localcloud.batch.model import Job

REMEMBERED = 1000


def send(detail_type: str, job: Job) -> None:
    """Send the event of a job that changed its state or blocks its queue. The submission itself has no event.

    Events arrive once and in order here; AWS guarantees neither.
    """
    with request_scope(job.scope.account, job.scope.region):
        if not eventbridge._rules:
            return
        detail = api_views.detail(job)
        resources = [detail["jobArn"]]
        if detail_type == "Batch Job Queue Blocked":
            resources.append(detail["jobQueue"])
        entry = {
            "Source": "aws.batch",
            "DetailType": detail_type,
            "Resources": resources,
            "Detail": json.dumps(detail),
        }
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
        # ministack keeps every event; an array of 10,000 would fill memory.
        del eventbridge._events_log_list()[:-REMEMBERED]
