"""Where this process is: which run, which task, which node."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpc.contract import exit_codes, variables
from hpc.contract.paths import HOST_INSTANCE, RunPaths
from hpc.node.failure import Failure


@dataclass(frozen=True, kw_only=True)
class JobContext:
    """What AWS Batch and the submitter say about this process, with defaults that hold outside Batch
    (https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html)."""

    run_id: str
    project: str
    bucket: str
    part: int = 0
    job_id: str = "local"
    """Id of the Batch job, the same on all of its nodes."""
    attempt: int = 1
    array_index: int = 0
    node: int = 0
    nodes: int = 1
    main_node: int = 0
    command_in_request: bool = False
    """Whether the command is in request.json and not in this process's arguments."""

    @property
    def is_main(self) -> bool:
        return self.node == self.main_node

    @property
    def paths(self) -> RunPaths:
        return RunPaths(project=self.project, run_id=self.run_id)


def from_environment(env: Mapping[str, str]) -> JobContext:
    """Read the place from environment variables.

    Raises:
        Failure: a variable is missing or is no number.
    """
    missing = [
        name for name in (variables.ENV_RUN_ID, variables.ENV_BUCKET, variables.ENV_PROJECT) if not env.get(name)
    ]
    if missing:
        raise Failure(
            exit_codes.BAD_REQUEST,
            f"{' and '.join(missing)} not set; the job definition sets the bucket and the project, "
            "and `hpc submit` the run: use a definition of this environment",
        )
    return JobContext(
        run_id=env[variables.ENV_RUN_ID],
        project=env[variables.ENV_PROJECT],
        bucket=env[variables.ENV_BUCKET],
        part=_number(env, variables.ENV_PART, 0),
        job_id=env.get("AWS_BATCH_JOB_ID", "local").partition("#")[0],  # node k's own id is `<job id>#<k>`
        attempt=_number(env, "AWS_BATCH_JOB_ATTEMPT", 1),
        array_index=_number(env, "AWS_BATCH_JOB_ARRAY_INDEX", 0),
        node=_number(env, "AWS_BATCH_JOB_NODE_INDEX", 0),
        nodes=_number(env, "AWS_BATCH_JOB_NUM_NODES", 1),
        main_node=_number(env, "AWS_BATCH_JOB_MAIN_NODE_INDEX", 0),
        command_in_request=env.get(variables.ENV_COMMAND) == variables.COMMAND_IN_REQUEST,
    )


def rendezvous_timeout_s(env: Mapping[str, str]) -> int:
    """Return for how long the nodes of a job wait for each other, in seconds."""
    return _number(env, variables.ENV_RENDEZVOUS_TIMEOUT_S, variables.RENDEZVOUS_TIMEOUT_S)


def heartbeat_s(env: Mapping[str, str]) -> float:
    """Return the seconds between two signs of life of a node."""
    return _number(env, variables.ENV_HEARTBEAT_S, variables.HEARTBEAT_S) or variables.HEARTBEAT_S


def s3_timeout_s(env: Mapping[str, str]) -> int:
    """Return for how long S3 may not answer, in seconds, before a request is repeated."""
    return _number(env, variables.ENV_S3_TIMEOUT_S, variables.S3_TIMEOUT_S) or variables.S3_TIMEOUT_S


def scratch(context: JobContext, env: Mapping[str, str]) -> Path:
    """Make and return this task's folder for inputs and outputs.

    It has the same path on all nodes of a job, so that a path of an input that the main node writes into an
    argument holds on the others too; a second attempt never finds what a first one left.

    Raises:
        Failure: the folder cannot be made, or somebody else made it.
    """
    root = Path(env.get(variables.ENV_SCRATCH) or _temporary())
    path = root / f"hpc-{context.run_id}-{context.part}-{context.array_index}-{context.attempt}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = path.lstat().st_uid
    except OSError as error:
        raise Failure(
            exit_codes.STAGE_IN,
            f"cannot make the folder {path}: {error.strerror}; {variables.ENV_SCRATCH} names another place for it",
        ) from error
    if path.is_symlink() or owner != os.geteuid():
        raise Failure(exit_codes.STAGE_IN, f"the folder {path} belongs to user {owner}, not to this job")
    return path


def _temporary() -> str:
    from tempfile import gettempdir  # a tenth of all imports, and definitions of ours set the folder

    return gettempdir()


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    value = env.get(name, "")
    if not value:
        return default
    if not (value.isascii() and value.isdigit()):
        raise Failure(exit_codes.BAD_REQUEST, f"{name} is {value!r}: expected a whole number from 0")
    return int(value)


def instance_facts(env: Mapping[str, str]) -> dict[str, Any] | None:
    """Return instance type, zone and purchasing; None where nobody tells, as outside AWS."""
    folder = env.get(variables.ENV_HOST)
    if not folder:
        return None
    try:
        text = (Path(folder) / HOST_INSTANCE).read_text(encoding="utf-8")
        instance: Any = json.loads(text)
        return {key: instance[key] for key in ("instance_type", "zone", "purchasing")}
    except (OSError, ValueError, KeyError, TypeError):  # a record less is no reason for a job to fail
        return None
