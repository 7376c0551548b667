"""The context of this process: its run, task and node, from environment variables."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpc.contract import exit_codes, variables
from hpc.contract.host_files import HOST_INSTANCE
from hpc.contract.s3_keys import RunPaths
from hpc.node.failure import Failure


@dataclass(frozen=True, kw_only=True)
class JobContext:
    """Values that AWS Batch and the submitter set for this process, with defaults outside Batch
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
    """True if the command is in request.json, not in this process's arguments."""

    @property
    def is_main(self) -> bool:
        return self.node == self.main_node

    @property
    def paths(self) -> RunPaths:
        return RunPaths(project=self.project, run_id=self.run_id)


def from_environment(env: Mapping[str, str]) -> JobContext:
    """Read the context from environment variables.

    Raises:
        Failure: a variable is missing or is not a number.
    """
    missing = [
        name for name in (variables.ENV_RUN_ID, variables.ENV_BUCKET, variables.ENV_PROJECT) if not env.get(name)
    ]
    if missing:
        raise Failure(
            exit_codes.BAD_REQUEST,
            f"{' and '.join(missing)} not set; the job definition sets the bucket and the project, `hpc submit` sets"
            " the run: submit with `hpc submit` and a definition of this environment",
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
    """Return the seconds within which the nodes of a job must register."""
    return _number(env, variables.ENV_RENDEZVOUS_TIMEOUT_S, variables.RENDEZVOUS_TIMEOUT_S)


def heartbeat_s(env: Mapping[str, str]) -> float:
    """Return the seconds between two heartbeats of a node."""
    return _number(env, variables.ENV_HEARTBEAT_S, variables.HEARTBEAT_S) or variables.HEARTBEAT_S


def s3_timeout_s(env: Mapping[str, str]) -> int:
    """Return the seconds without progress after which a request to S3 is retried."""
    return _number(env, variables.ENV_S3_TIMEOUT_S, variables.S3_TIMEOUT_S) or variables.S3_TIMEOUT_S


def scratch(context: JobContext, env: Mapping[str, str]) -> Path:
    """Create and return this task's folder for inputs and outputs.

    Its path is the same on all nodes of a job, so that an input path in an argument on the main node is valid on the
    other nodes too; each attempt has a different one, so that none finds files of an earlier attempt.

    Raises:
        Failure: the folder cannot be created, or belongs to another user.
    """
    root = Path(env.get(variables.ENV_SCRATCH) or _temporary())
    path = root / f"hpc-{context.run_id}-{context.part}-{context.array_index}-{context.attempt}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = path.lstat().st_uid
    except OSError as error:
        raise Failure(
            exit_codes.STAGE_IN,
            f"cannot create the folder {path}: {error.strerror}; set {variables.ENV_SCRATCH} to a writable folder",
        ) from error
    if path.is_symlink() or owner != os.geteuid():
        raise Failure(
            exit_codes.STAGE_IN,
            f"the folder {path} belongs to user {owner}, not to this job; set {variables.ENV_SCRATCH} to a folder that"
            " only this job's user can write",
        )
    return path


def _temporary() -> str:
    from tempfile import gettempdir  # a tenth of the import time, and the platform's definitions set the folder

    return gettempdir()


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    value = env.get(name, "")
    if not value:
        return default
    if not (value.isascii() and value.isdigit()):
        raise Failure(exit_codes.BAD_REQUEST, f"{name} is {value!r}: expected an integer of at least 0")
    return int(value)


def instance_facts(env: Mapping[str, str]) -> dict[str, Any] | None:
    """Return instance type, zone and purchasing option; None if they are unknown, as outside AWS."""
    folder = env.get(variables.ENV_HOST)
    if not folder:
        return None
    try:
        text = (Path(folder) / HOST_INSTANCE).read_text(encoding="utf-8")
        instance: Any = json.loads(text)
        return {key: instance[key] for key in ("instance_type", "zone", "purchasing")}
    except (OSError, ValueError, KeyError, TypeError):  # a missing record must not fail the job
        return None
