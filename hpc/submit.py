"""Sending a plan. The only place that calls SubmitJob.

SubmitJob has no client token, so a lost answer must not be answered by a blind resend: the job's name is unique to
run and part, and before every resend the queue is asked whether a job of that name exists.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc import contract, definitions, jobs, state
from hpc.aws import Clients, error_code
from hpc.dependencies import resolved
from hpc.errors import BadInput, HpcError
from hpc.plan import Plan
from hpc.uploads import Upload
from hpc.user import client_name, user_name

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

UPLOAD_THREADS = 8
PART_THREADS = 4
"""Of one large file. Each holds about a MiB; with UPLOAD_THREADS they are as many as the client has connections."""
RESEND_DELAYS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Before a resend: time for ListJobs to know of a job that was accepted although its answer was lost."""

_CLAIMED = ("PreconditionFailed", "ConditionalRequestConflict")
_NOT_ACCEPTED = ("TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded")

Progress = Callable[[int], None]
"""Called with the number of bytes uploaded since the last call."""


def submit(plan: Plan, clients: Clients, environment: str, *, resume: bool, progress: Progress) -> state.Record:
    """Send a run, or the rest of it if it was sent in part.

    Args:
        resume: look for jobs that an earlier call submitted; without it the run id is new.

    Raises:
        BadInput: the run id stands for a different request.
        HpcError: AWS refused, or does not answer.
    """
    record = state.Record(
        run_id=plan.run_id,
        environment=environment,
        project=plan.paths.project,
        name=plan.request["name"],
        queue=plan.queue,
        sha256=plan.request["sha256"],
        submitted_at=datetime.now(UTC).isoformat(timespec="seconds"),
        pack=contract.Layout.of(plan.request).pack,
        only=contract.Layout.of(plan.request).only,
    )
    state.save(record)
    _claim(plan, clients.s3, record.submitted_at)
    known = dict[str, str]()
    for queue in {job["jobQueue"] for job in (*plan.barriers, *plan.jobs)} if resume else ():
        known |= jobs.by_name(clients.batch, queue, f"{plan.run_id}-*")
    if not all(known.get(job["jobName"]) for job in plan.jobs):
        _upload(plan, clients.s3, progress)
    ids = dict(known)
    plan = _registered(plan, clients)
    for job in plan.barriers:
        ids[job["jobName"]] = known.get(job["jobName"]) or _send(clients, resolved(job, ids), plan.run_id)
    parts = list[state.Part]()
    for number, (job, part) in enumerate(zip(plan.jobs, plan.request["parts"], strict=True)):
        job_id = known.get(job["jobName"]) or _send(clients, resolved(job, ids), plan.run_id)
        ids[job["jobName"]] = job_id
        parts.append(state.Part(number=number, job_id=job_id, offset=part["offset"], size=part["size"]))
        record = replace(record, parts=tuple(parts))
        state.save(record)
    return record


def _registered(plan: Plan, clients: Clients) -> Plan:
    """Register the job definition that the plan brings along, and let its jobs name the revision."""
    if plan.definition is None:
        return plan
    name, arn = plan.definition["jobDefinitionName"], definitions.register(clients.batch, plan.definition)
    jobs = tuple(job | {"jobDefinition": arn} if job["jobDefinition"] == name else job for job in plan.jobs)
    return replace(plan, jobs=jobs)


def _claim(plan: Plan, s3: S3Client, submitted_at: str) -> None:
    """Write request.json unless it is there; one that is there must be the same request."""
    from botocore.exceptions import ClientError

    body = plan.request | {"submitted_by": user_name(), "submitted_at": submitted_at, "client": client_name()}
    try:
        s3.put_object(
            Bucket=plan.bucket,
            Key=plan.paths.request,
            Body=json.dumps(body, indent=1).encode(),
            ContentType="application/json",
            IfNoneMatch="*",
        )
    except ClientError as error:
        if error_code(error) not in _CLAIMED:
            raise
        there = json.loads(s3.get_object(Bucket=plan.bucket, Key=plan.paths.request)["Body"].read())
        if there["sha256"] != plan.request["sha256"]:
            raise BadInput(
                f"run {plan.run_id} was submitted by {there.get('submitted_by')} at {there.get('submitted_at')} with"
                " a different request (command, options or input files); repeat that request, or submit a new run"
                " without --run and --once"
            ) from None


def _upload(plan: Plan, s3: S3Client, progress: Progress) -> None:
    """Upload inputs and tasks; every object is whole before a job can look for it."""
    from boto3.s3.transfer import TransferConfig

    config = TransferConfig(max_concurrency=PART_THREADS)
    with tempfile.TemporaryDirectory(prefix="hpc-submit-") as folder, ThreadPoolExecutor(UPLOAD_THREADS) as pool:
        uploads = list(plan.uploads)
        if plan.rows:
            uploads += plan.rows.write(Path(folder), plan.paths)

        def send(upload: Upload) -> None:
            s3.upload_file(str(upload.path), plan.bucket, upload.key, Callback=progress, Config=config)

        list(pool.map(send, uploads))


def _send(clients: Clients, job: dict[str, Any], run_id: str) -> str:
    """Call SubmitJob until one call is known to be accepted; return the job id."""
    from botocore.exceptions import ClientError, HTTPClientError

    lost: Exception | None = None
    for delay_s in (0.0, *RESEND_DELAYS_S):
        if lost is not None:
            time.sleep(delay_s)
            found = jobs.by_name(clients.batch, job["jobQueue"], job["jobName"]).get(job["jobName"])
            if found:
                return found
        try:
            return clients.batch_once.submit_job(**job)["jobId"]
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            throttled = error_code(error) in _NOT_ACCEPTED
            if not throttled and status < 500:
                raise
            lost = error
        except (HTTPClientError, KeyError) as error:  # KeyError: an answer without a job id, cut short
            lost = error
    raise HpcError(
        f"AWS Batch does not answer ({lost}); nothing is lost and nothing runs twice: repeat the same command with"
        f" --run {run_id}"
    )
