"""`hpc submit`."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import click

from hpc.cli.app import hint, pass_cluster
from hpc.cli.progress import bar, watch
from hpc.cli.submit_options import OPTIONS, GroupedCommand
from hpc.cluster import Cluster
from hpc.common import run_ids
from hpc.contract.s3_keys import object_key
from hpc.contract.task_layout import Range
from hpc.errors import NotFound
from hpc.plan.plan import Plan
from hpc.request import index_ranges
from hpc.request.dependencies import Parent
from hpc.request.job_spec import Input, JobSpec
from hpc.request.tasks_file import TasksFile


@click.command(cls=GroupedCommand, params=list(OPTIONS), context_settings={"allow_interspersed_args": False})
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

    The command reaches the container byte for byte, without a shell around it. Files that it leaves in $HPC_OUTPUT_DIR
    are kept, even if it fails.
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
        elif flag == "--secret":  # it may be the secret itself: never repeat it
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
