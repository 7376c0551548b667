"""Rebuilding the record of a run from S3 and AWS Batch, for runs of other machines and interrupted submissions."""

from __future__ import annotations

import json

from hpc.aws import jobs
from hpc.aws.clients import Clients, error_code
from hpc.aws.environment import Environment
from hpc.common import run_ids
from hpc.contract.run_request import RunRequest
from hpc.contract.s3_keys import RunPaths
from hpc.errors import NotFound
from hpc.runs import records
from hpc.runs.claims import ABSENT, Claims


def record(clients: Clients, environment: Environment, run_id: str, known: records.Record | None) -> records.Record:
    """Rebuild a record from the run's request.json, its claims and, if a claim names no job, the names of its jobs.

    Args:
        known: the record on this machine, which is then replaced.

    Raises:
        NotFound: there is no such run, or it has no job.
    """
    project, request = _request(clients, environment, run_id)
    paths = RunPaths(project=project, run_id=run_id)
    layout = request.layout
    claims = Claims.of_this_process(clients.s3, environment.meta.bucket)
    found = dict[int, tuple[str, bool]]()
    for number in range(len(layout.parts)):
        claim = claims.read(paths.job(number))
        if claim.job_id:
            found[number] = claim.job_id, claim.sends == 1
    for part in known.parts if known else ():  # the claim could not be written, and ListJobs may not show it yet
        found.setdefault(part.number, (part.job_id, False))
    if len(found) < len(layout.parts):
        queue = environment.queues.get(request.queue)
        listed = jobs.by_name(clients.batch, queue.arn if queue else request.queue, f"{run_id}-*")
        for name, ids in listed.items():
            named = run_ids.of_job_name(name)
            if named and named[1] not in found:
                found[named[1]] = ids[0], False
    if not found:
        raise NotFound(
            f"run {run_id} was requested, but AWS Batch has no job of it; if its hpc submit was interrupted,"
            f" {run_ids.go_on(run_id)}"
        )
    rebuilt = records.Record(
        run_id=run_id,
        environment=environment.name,
        project=project,
        name=request.name,
        queue=request.queue,
        sha256=request.sha256,
        submitted_at=request.submitted_at,
        parts=tuple(
            records.Part(number=number, job_id=found[number][0], offset=offset, size=size, settled=found[number][1])
            for number, (offset, size) in enumerate(layout.parts)
            if number in found
        ),
        pack=layout.pack,
        only=layout.only,
        jobs=len(layout.parts),
    )
    if known:
        records.save(rebuilt)
    return rebuilt


def _request(clients: Clients, environment: Environment, run_id: str) -> tuple[str, RunRequest]:
    """Return project and request.json of a run."""
    for project in environment.projects:
        key = RunPaths(project=project, run_id=run_id).request
        try:
            answer = clients.s3.get_object(Bucket=environment.meta.bucket, Key=key)
        except clients.s3.exceptions.ClientError as error:
            if error_code(error) in ABSENT:
                continue  # not in this project, or not readable
            raise
        return project, RunRequest.from_json(json.loads(answer["Body"].read()))
    raise NotFound(f"run {run_id}: not found in environment {environment.name}; hpc status lists your runs")
