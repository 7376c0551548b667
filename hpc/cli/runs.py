"""Commands on submitted runs: status, wait, logs, fetch, cancel."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from hpc.aws import jobs
from hpc.aws.clients import translate_aws_errors
from hpc.aws.jobs import Job
from hpc.cli.app import hint, pass_cluster, table
from hpc.cli.progress import bar, summary, watch
from hpc.cluster import Cluster
from hpc.errors import NotFound
from hpc.runs import records
from hpc.runs.run import Run
from hpc.units import show_seconds

RECENT = 20
RUN = click.argument("run", metavar="RUN|RUN:INDEX|JOB")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("run", metavar="[RUN|RUN:INDEX|JOB]", required=False)
@JSON
@pass_cluster
def status(cluster: Cluster, run: str | None, as_json: bool) -> None:
    """Show the state of a run, or list the latest runs.

    Without RUN, lists the latest runs submitted from this machine.
    """
    if run is None:
        _recent(cluster, as_json)
        return
    found = cluster.find(run)
    described = found.jobs()
    failed, rows = found.failed_children(most=10), found.failed_rows(most=10)
    if as_json:
        record = {
            "run": found.run_id,
            "index": found.index,
            "missing_jobs": found.missing,
            "outputs": found.outputs_uri,
            "jobs": [job.to_dict() for job in described],
            "failed_children": [job.to_dict() for job in failed],
            "failed_tasks": [asdict(row) for row in rows],
        }
        click.echo(json.dumps(record, indent=1))
        return
    lines = [_row(job) for job in [*described, *failed]]
    lines += [[f"{found.run_id}:{row.index}", "", "", "", row.reason] for row in rows]
    click.echo(table(["JOB", "STATUS", "ATTEMPTS", "TIME", "REASON"], lines))
    if len(described) > 1:
        click.echo(f"\n{summary(described)}")
    if found.missing:
        click.echo(f"hpc: {found.incomplete}", err=True)
    hint(f"hpc logs -f {found.reference}", f"hpc fetch {found.reference}")


def _row(job: Job) -> list[str]:
    what = f" [{job.array_size}]" if job.array_size else f" *{job.nodes}" if job.nodes else ""
    where = f"{job.status} ({summary([job])})" if job.array_summary and not job.is_terminal else job.status
    return [job.job_id + what, where, str(job.attempts or ""), _time(job), job.reason]


def _time(job: Job) -> str:
    if job.started_at_ms is None:
        return ""
    return show_seconds((job.stopped_at_ms or time.time() * 1000) / 1000 - job.started_at_ms / 1000)


def _recent(cluster: Cluster, as_json: bool) -> None:
    recent = list(records.recent(cluster.environment.name, RECENT))
    ids = [part.job_id for record in recent for part in record.parts]
    with translate_aws_errors():
        known = jobs.describe(cluster.clients.batch, ids)
    found = [(record, [known[part.job_id] for part in record.parts if part.job_id in known]) for record in recent]
    if as_json:
        click.echo(json.dumps([{"run": r.run_id, "jobs": [job.to_dict() for job in js]} for r, js in found], indent=1))
        return
    rows = [[r.run_id, r.name, r.queue, r.submitted_at, summary(js) or "no longer known"] for r, js in found]
    click.echo(table(["RUN", "NAME", "QUEUE", "SUBMITTED", "STATUS"], rows))
    hint("hpc status RUN" if rows else "hpc submit -- COMMAND")


@click.command()
@RUN
@pass_cluster
def wait(cluster: Cluster, run: str) -> int:
    """Wait for the end of a run and exit with its exit code.

    The code is that of the main node, or of the first failed child; 125 if it ended before its command could exit.
    """
    return watch(cluster.find(run))


@click.command()
@RUN
@click.option("-f", "--follow", is_flag=True, help="Follow until the run has ended; exit with its exit code.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@pass_cluster
def logs(cluster: Cluster, run: str, follow: bool, as_json: bool) -> int:
    """Print the logs of a run, of all its children and nodes."""
    found = cluster.find(run)
    seen = False
    for label, line in found.log_lines(follow=follow):
        seen = True
        if as_json:
            click.echo(json.dumps({"source": label, "message": line}))
        else:
            click.echo(f"{label} | {line}" if label else line)
    if not seen:
        described = found.jobs()
        click.echo(f"hpc: {found.reference} has written nothing; it is {summary(described)}", err=True)
    if follow:
        return found.exit_code()
    hint(f"hpc status {found.reference}")
    return 0


@click.command()
@RUN
@click.option("--to", type=click.Path(path_type=Path), metavar="DIR", help="Folder. Default: one named after the run.")
@JSON
@pass_cluster
def fetch(cluster: Cluster, run: str, to: Path | None, as_json: bool) -> None:
    """Download the outputs of a run or task and print the folder."""
    found = cluster.find(run)
    folder = to or Path(found.run_id)
    outputs = found.outputs()
    if not outputs:
        raise NotFound(f"{found.reference} has no output yet; it is {_state(found)}")
    with bar("downloading", sum(output.size for output in outputs)) as progress:
        files = found.fetch(folder, outputs, progress=progress)
    click.echo(f"{len(files)} files", err=True)
    click.echo(json.dumps([str(path) for path in files], indent=1) if as_json else str(folder))


def _state(run: Run) -> str:
    try:
        return summary(run.jobs())
    except NotFound:
        return "no longer known to AWS Batch"


@click.command()
@click.argument("runs", metavar="RUN|RUN:INDEX|JOB...", nargs=-1, required=True)
@click.option("--reason", default="ended by hpc cancel", metavar="TEXT", help="Shown as the status reason of the job.")
@JSON
@pass_cluster
def cancel(cluster: Cluster, runs: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Cancel waiting jobs and stop running ones."""
    found = [cluster.find(run) for run in runs]
    ended = [(run, job, done) for run in found for job, done in run.cancel(reason)]
    for _, job, done in ended:
        word = "ended" if done else "had ended"
        click.echo(f"{job.job_id} {word}: it was {job.status}", err=True)
    ids = [job.job_id for _, job, done in ended if done]
    click.echo(json.dumps(ids) if as_json else "\n".join(ids), nl=bool(ids) or as_json)
    hint(*(f"hpc status {run.reference}" for run in found))
