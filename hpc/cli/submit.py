"""`hpc submit`."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import click

from hpc.cli.app import hint, pass_cluster
from hpc.cli.param_types import DURATION, MEMORY
from hpc.cli.progress import bar, watch
from hpc.cluster import Cluster
from hpc.common import run_ids
from hpc.contract.paths import object_key
from hpc.contract.run_request import ON_FAILURE
from hpc.contract.task_layout import Range
from hpc.errors import NotFound
from hpc.plan.plan import Plan
from hpc.request import index_ranges
from hpc.request.dependencies import Parent
from hpc.request.job_spec import Input, JobSpec
from hpc.request.tasks_file import TasksFile


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--queue", metavar="Q", help="Queue; hpc queues lists them.")
@click.option("--definition", metavar="D", help="Job definition of the project; default: the queue's.")
@click.option("--image", metavar="IMAGE", help="Container image instead of the definition's: registry/name:tag.")
@click.option("--project", metavar="P", help="Project; default: the environment's.")
@click.option("--name", metavar="N", help="Name of the run, for people; default: the command's first word.")
@click.option("--vcpus", type=int, metavar="N", help="vCPUs of each task or node.")
@click.option("--memory", type=MEMORY, help="Memory of each task or node, such as 4GiB.")
@click.option("--gpus", type=int, metavar="N", help="GPUs of each task or node.")
@click.option("--array", type=int, metavar="N", help="Run N tasks: $HPC_INDEX is 0 to N-1.")
@click.option(
    "--tasks",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Run one task a row of this CSV, TSV or JSONL file. A column is for {column} in the command, or as its header"
    " says: --setenv NAME, --input NAME.",
)
@click.option("--only", metavar="RANGES", help="Of the tasks run these alone: 3,7,10-12. They keep their numbers.")
@click.option(
    "--pack",
    type=int,
    default=1,
    metavar="K",
    help="Run K tasks in each child, one after the other.",
)
@click.option(
    "--nodes", type=int, metavar="N", help="Run on N nodes at once: mpirun in the command starts ranks on all."
)
@click.option("--every-node", is_flag=True, help="With --nodes: run the command on every node; see RANK, MASTER_ADDR.")
@click.option("--slots-per-node", type=int, metavar="S", help="Ranks of mpirun on each node; default: its vCPUs.")
@click.option("--after", multiple=True, metavar="JOB", help="Start when this run or job has succeeded.")
@click.option(
    "--after-each", metavar="RUN", help="Start each task when the task of the same number of this run has succeeded."
)
@click.option("--one-by-one", is_flag=True, help="Start each task when the one before it has succeeded.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=PATH|s3://...",
    help="Stage in a file or folder (s3 folders end in /); the command finds it at $NAME.",
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="NAME[=s3://...]|PATTERN",
    help="NAME: the command writes a file or folder to the path in $NAME. PATTERN, such as 'out/*.vtk': files that it"
    " makes below its working directory. Either must exist in the end. s3://...: keep it there.",
)
@click.option(
    "--on-failure",
    type=click.Choice(ON_FAILURE),
    default="all",
    help="Outputs to keep when the command fails; logs: *.log, *.out, *.err.",
)
@click.option(
    "--checkpoint",
    "checkpoint_minutes",
    type=int,
    metavar="MINUTES",
    help="Save $HPC_CHECKPOINT_DIR this often, and when the end is near; the next attempt finds it again.",
)
@click.option(
    "--signal",
    metavar="SIG[@SECONDS]",
    help="Send the command this signal so long (60) before its time-out and the end of a Spot instance.",
)
@click.option(
    "--workdir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Send this folder, without what .gitignore names, and run in a copy of it.",
)
@click.option(
    "--script", type=click.Path(path_type=Path), metavar="FILE", help="Run this script; COMMAND is its arguments."
)
@click.option("--setenv", multiple=True, metavar="NAME=VALUE", help="Set a variable for the command.")
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="NAME=ARN",
    help="Set a variable to a secret of Secrets Manager or Parameter Store.",
)
@click.option(
    "--retries",
    type=int,
    metavar="N",
    help="Run a failed command again, up to N times; lost hosts are retried without it.",
)
@click.option("--timeout", type=DURATION, help="End an attempt after this time, such as 2h; at least 1m.")
@click.option("--share", metavar="ID", help="Share identifier in a fair-share queue. Default: the project's.")
@click.option("--priority", type=int, metavar="N", help="Priority within the share, 0 to 9999.")
@click.option("--run", "run_id", metavar="RUN_ID", help="Go on with this run, if it is the same request.")
@click.option("--once", metavar="KEY", help="Submit only once for this key: a repeated call goes on with the run.")
@click.option("--skip", is_flag=True, help="Leave out tasks whose outputs all exist at their destinations.")
@click.option("--dry-run", is_flag=True, help="Print the exact API requests as JSON and send nothing.")
@click.option("--wait", "wait_", is_flag=True, help="Wait for the end and exit with the job's exit code.")
@click.option("--json", "as_json", is_flag=True, help="Print run id and job ids as JSON.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@pass_cluster
def submit(
    cluster: Cluster,
    run_id: str | None,
    once: str | None,
    skip: bool,
    dry_run: bool,
    wait_: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Submit COMMAND as a run and print the run id.

    \b
      hpc submit -- python -c 'print(42)'
      hpc submit --tasks sweep.csv --output RESULT -- bash -c './model {alpha} > $RESULT'
      hpc submit --nodes 4 --input SOLVER=heat.py --wait -- bash -c 'mpirun python $SOLVER'

    The command reaches the container byte for byte; no shell is put around it. Whatever it leaves in $HPC_OUTPUT_DIR
    is kept, also when it fails.
    """
    if not dry_run:
        cluster.renew()
    complaints = list[str]()
    spec = _spec(cluster, complaints, **options)
    run = _run_id(cluster, spec, run_id, once, complaints)
    if skip and (run_id is not None or once is not None):
        complaints.append("--skip: a resumed run does not repeat what is done; leave out --skip, or --run and --once")
    if skip and not complaints:
        left = cluster.remaining(spec)
        click.echo(f"{left.skipped} tasks skipped: their outputs exist", err=True)
        if left.spec is None:
            click.echo("nothing to do", err=True)
            if as_json:
                click.echo(json.dumps({"run_id": None, "jobs": []}))
            return 0
        spec = left.spec
    plan = cluster.plan(spec, run, complaints=complaints)
    for note in plan.notes:
        click.echo(f"hpc: {note}", err=True)
    if dry_run:
        click.echo(json.dumps(_dry_run(plan), indent=1))
        return 0
    click.echo(f"run {plan.run_id}", err=True)
    try:
        size = sum(upload.size for upload in plan.uploads) + (plan.rows.upload_bytes if plan.rows else 0)
        with bar("uploading", size) as progress:
            sent = cluster.send(plan, progress=progress)
    except KeyboardInterrupt:
        click.echo(f"hpc: run {plan.run_id} may be incomplete: {run_ids.go_on(plan.run_id)}", err=True)
        raise
    if as_json:
        click.echo(json.dumps({"run_id": sent.run_id, "jobs": list(sent.job_ids)}))
    else:
        click.echo(sent.run_id)
    if wait_:
        return watch(sent)
    hint(f"hpc wait {sent.run_id}", f"hpc logs -f {sent.run_id}", f"hpc cancel {sent.run_id}")
    return 0


def _spec(
    cluster: Cluster,
    complaints: list[str],
    *,
    after: tuple[str, ...],
    after_each: str | None,
    inputs: tuple[str, ...],
    setenv: tuple[str, ...],
    secrets: tuple[str, ...],
    tasks: Path | None,
    only: str | None,
    memory: int | None,
    timeout: int | None,
    **rest: Any,
) -> JobSpec:
    """Read the options into a request; an option that cannot be read is left out, and added to the complaints."""
    given = (("--input", inputs), ("--setenv", setenv), ("--secret", secrets))
    pairs = {flag: list(_pairs(flag, values, complaints)) for flag, values in given}
    after_ids = _job_ids(cluster, after, complaints)
    parents = _parents(cluster, after_each, complaints)
    chosen = _ranges(only, complaints)
    return JobSpec(
        after=after_ids,
        after_each=parents,
        inputs=tuple(Input(name, source) for name, source in pairs["--input"]),
        environment=dict(pairs["--setenv"]),
        secrets=dict(pairs["--secret"]),
        tasks=TasksFile(tasks) if tasks else None,
        only=chosen,
        memory_mib=memory,
        timeout_s=timeout,
        **rest,
    )


def _pairs(flag: str, values: tuple[str, ...], complaints: list[str]) -> Generator[tuple[str, str]]:
    for text in values:
        name, found, value = text.partition("=")
        if found and name:
            yield name, value
        elif flag == "--secret":  # perhaps the secret itself: never repeat it
            complaints.append("--secret: write NAME=ARN")
        else:
            complaints.append(f"{flag} {text!r}: write NAME=VALUE")


def _ranges(text: str | None, complaints: list[str]) -> tuple[Range, ...] | None:
    try:
        return None if text is None else index_ranges.parse(text)
    except ValueError as error:
        complaints.append(f"--only {error}")
        return None


def _job_ids(cluster: Cluster, references: tuple[str, ...], complaints: list[str]) -> tuple[str, ...]:
    """Return the Batch jobs behind `--after`."""
    found = list[str]()
    for reference in dict.fromkeys(references):
        try:
            found += cluster.find(reference).job_ids
        except NotFound as error:
            complaints.append(f"--after {error}")
    return tuple(found)


def _parents(cluster: Cluster, reference: str | None, complaints: list[str]) -> tuple[Parent, ...]:
    """Return the Batch jobs behind `--after-each`."""
    if reference is None:
        return ()
    try:
        return tuple(Parent(job_id=job.job_id, children=job.array_size or 1) for job in cluster.find(reference).jobs())
    except NotFound as error:
        complaints.append(f"--after-each {error}")
        return ()


def _run_id(cluster: Cluster, spec: JobSpec, run_id: str | None, once: str | None, complaints: list[str]) -> str:
    if run_id is not None and once is not None:
        complaints.append("--run and --once: give one of them; --once makes the run id from its key")
    if once is not None:
        return run_ids.from_key(cluster.project(spec.project), once)
    if run_id is not None and not run_ids.is_run_id(run_id):
        complaints.append(f"--run {run_id!r}: no run id; it looks like 20261122-173355-k3v9qz")
    return run_id or run_ids.new()


def _dry_run(plan: Plan) -> dict[str, Any]:
    return {
        "run_id": plan.run_id,
        "request": plan.request.to_json(),
        "register_job_definition": plan.definition,
        "uploads": [
            {
                "path": str(upload.path) if upload.path else None,
                "key": object_key(plan.paths.project, upload.sha256),
                "size": upload.size,
            }
            for upload in plan.uploads
        ],
        "tasks": {"path": str(plan.rows.file.path), "key": plan.paths.tasks} if plan.rows else None,
        "submit_job": [*plan.barriers, *plan.jobs],
    }
