"""The run's request, fetched and checked by the container."""

from __future__ import annotations

import json
import os

from hpc.contract import exit_codes
from hpc.contract.run_request import RunRequest, check_readable
from hpc.contract.s3_keys import run_of_job
from hpc.contract.task_layout import Layout
from hpc.node.failure import Failure
from hpc.node.job_context import JobContext
from hpc.node.s3.client import S3, S3Error


def load(s3: S3, context: JobContext) -> RunRequest:
    """Fetch and check the request.

    Raises:
        Failure: it is missing or invalid, needs a newer image, or contradicts the environment of this process.
    """
    if context.run_id == run_of_job(context.job_id):
        return _of_job(context)
    where = f"s3://{context.bucket}/{context.paths.request}"
    try:
        raw = json.loads(s3.get(context.bucket, context.paths.request))
    except S3Error as error:
        code = exit_codes.BAD_REQUEST if error.status in {403, 404} else exit_codes.STAGE_IN
        raise Failure(code, f"cannot read the request of this run: {error}") from error
    except ValueError as error:
        raise Failure(exit_codes.BAD_REQUEST, f"{where} is not JSON: {error}") from error
    try:
        check_readable(raw)
        request = RunRequest.from_json(raw)
        request.layout.positions(context.part, context.array_index)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise Failure(exit_codes.BAD_REQUEST, f"{where}: {type(error).__name__}: {error}") from error
    if (request.nodes or 1) != context.nodes:
        raise Failure(
            exit_codes.BAD_REQUEST,
            f"{where} asks for {request.nodes or 1} node(s), but the job has {context.nodes}; submit with `hpc submit`",
        )
    return request


def _of_job(context: JobContext) -> RunRequest:
    """Return the request of a job that `hpc` did not submit: only its nodes, each with all of its vCPUs."""
    return RunRequest(
        run_id=context.run_id,
        project=context.project,
        name="",
        queue="",
        definition="",
        kind="multi-node",
        command=(),
        layout=Layout(parts=((0, 1),)),
        vcpus=len(os.sched_getaffinity(0)),
        memory_mib=0,
        gpus=0,
        nodes=context.nodes,
    )
