"""Sending a plan: the run is claimed, its files are uploaded, its jobs are sent."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hpc.aws.clients import Clients, translate_aws_errors
from hpc.common import run_ids
from hpc.common.local_user import client_name, user_name
from hpc.common.progress import Progress
from hpc.contract.run_request import RunRequest
from hpc.errors import BadInput, HpcError
from hpc.plan.plan import Plan
from hpc.plan.task_rows import Rows
from hpc.runs import records
from hpc.runs.claims import put_if
from hpc.submit import content_store, job_definitions
from hpc.submit.job_sender import JobSender

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

PART_THREADS = 4
"""Of one large file; each holds about a MiB."""


def submit(plan: Plan, clients: Clients, environment: str, *, progress: Progress) -> records.Record:
    """Send a run, or the rest of it if it was sent in part.

    Raises:
        BadInput: the run id stands for a different request.
        HpcError: AWS refused, or does not answer; the message says how to go on.
    """
    layout = plan.request.layout
    record = records.Record(
        run_id=plan.run_id,
        environment=environment,
        project=plan.paths.project,
        name=plan.request.name,
        queue=plan.queue,
        sha256=plan.request.sha256,
        submitted_at=datetime.now(UTC).isoformat(timespec="seconds"),
        pack=layout.pack,
        only=layout.only,
        jobs=len(plan.jobs),
    )

    def accepted(number: int, job_id: str, settled: bool) -> None:
        nonlocal record
        offset, size = layout.parts[number]
        part = records.Part(number=number, job_id=job_id, offset=offset, size=size, settled=settled)
        record = replace(record, parts=tuple(sorted((*record.parts, part), key=lambda part: part.number)))
        records.save(record)

    records.save(record)
    try:
        with translate_aws_errors():
            sender = JobSender(_registered(plan, clients), clients, accepted)
            # Before the claim: a run whose files changed meanwhile has asked for nothing.
            content_store.send(clients.s3, plan.bucket, plan.paths.project, plan.uploads, progress)
            if not _claim(plan, clients.s3, record.submitted_at):
                sender.read_claims()
            if plan.rows and sender.pending:
                _upload_rows(plan.rows, plan, clients.s3, progress)
            sender.send_all()
    except BadInput:
        raise
    except HpcError as error:
        raise HpcError(f"{error}; nothing is lost and nothing runs twice: {run_ids.go_on(plan.run_id)}") from None
    return record


def _registered(plan: Plan, clients: Clients) -> Plan:
    """Register the job definition that the plan brings along, and let its jobs name the revision."""
    if plan.definition is None:
        return plan
    name, arn = plan.definition["jobDefinitionName"], job_definitions.register(clients.batch, plan.definition)
    jobs = tuple(job | {"jobDefinition": arn} if job["jobDefinition"] == name else job for job in plan.jobs)
    return replace(plan, jobs=jobs)


def _claim(plan: Plan, s3: S3Client, submitted_at: str) -> bool:
    """Write request.json and return True, unless it is there; one that is there must be the same request."""
    request = replace(plan.request, submitted_by=user_name(), submitted_at=submitted_at, client=client_name())
    written = put_if(
        s3,
        Bucket=plan.bucket,
        Key=plan.paths.request,
        Body=json.dumps(request.to_json(), indent=1).encode(),
        ContentType="application/json",
        IfNoneMatch="*",
    )
    if written is None:
        answer = s3.get_object(Bucket=plan.bucket, Key=plan.paths.request)
        there = RunRequest.from_json(json.loads(answer["Body"].read()))
        if there.sha256 != plan.request.sha256:
            raise BadInput(
                f"run {plan.run_id} was submitted by {there.submitted_by} at {there.submitted_at} with"
                " a different request (command, options or input files); repeat that request, or submit a new run"
                " without --run and --once"
            )
    return written is not None


def _upload_rows(rows: Rows, plan: Plan, s3: S3Client, progress: Progress) -> None:
    """Upload the rows; both objects are whole before a job can look for them."""
    from boto3.s3.transfer import TransferConfig

    config = TransferConfig(max_concurrency=PART_THREADS)
    with tempfile.TemporaryDirectory(prefix="hpc-submit-") as folder:
        for path, key in rows.write(Path(folder), plan.paths):
            s3.upload_file(str(path), plan.bucket, key, Callback=progress, Config=config)
