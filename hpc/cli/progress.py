"""Progress on stderr: a live line on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import click

from hpc.aws.jobs import STATUSES, Job
from hpc.cli.app import hint
from hpc.runs.run import Run
from hpc.units import show_seconds

QUIET_S = 2.0
"""Seconds between two lines without a terminal, so that logs of scripts stay short."""
WORTH_A_BAR = 1_000_000
"""Bytes from which a transfer shows a progress bar."""


def watch(run: Run) -> int:
    """Wait for the end of the run, showing its progress; return its exit code."""
    line = _Line(sys.stderr.isatty())
    started = time.monotonic()
    try:
        ended = run.wait(lambda jobs: line.show(summary(jobs), time.monotonic() - started))
    except KeyboardInterrupt:
        line.close()
        hint(f"hpc wait {run.reference}", f"hpc cancel {run.reference}")
        raise
    line.close()
    code = run.exit_code()
    word = "succeeded" if code == 0 else "failed"
    click.echo(f"{run.reference} {word} after {show_seconds(time.monotonic() - started)}", err=True)
    if code:
        for job in (job for job in ended if job.status == "FAILED"):
            click.echo(f"  {job.job_id}: {job.reason}", err=True)
        for child in run.failed_children(most=5):
            click.echo(f"  {child.job_id}: {child.reason}", err=True)
        for row in run.failed_rows(most=5):
            click.echo(f"  {run.run_id}:{row.index}: {row.reason}", err=True)
        hint(f"hpc status {run.reference}", f"hpc logs {run.reference}")
    else:
        hint(f"hpc fetch {run.reference}", f"hpc logs {run.reference}")
    return code


@contextmanager
def bar(what: str, size: int) -> Generator[Callable[[int], None]]:
    """Show on stderr how many of `size` bytes have been moved, if that takes long enough to watch."""
    if size < WORTH_A_BAR:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(what, total=size)
        yield lambda count: shown.advance(task, count)


def summary(jobs: list[Job]) -> str:
    """Count jobs, or children of arrays, by status: `RUNNING 8  SUCCEEDED 92`."""
    counts = dict.fromkeys(STATUSES, 0)
    for job in jobs:
        if job.array_summary and job.array_size:
            known = 0
            for status in STATUSES:
                counts[status] += job.array_summary.get(status, 0)
                known += job.array_summary.get(status, 0)
            counts["PENDING"] += job.array_size - known
        else:
            counts[job.status if job.status in counts else "SUBMITTED"] += job.array_size or 1
    return "  ".join(f"{status} {count}" for status, count in counts.items() if count)


class _Line:
    """A line that is rewritten in place on a terminal, and printed at each change elsewhere."""

    def __init__(self, is_terminal: bool) -> None:
        self._is_terminal = is_terminal
        self._last = ""
        self._printed_at = 0.0

    def show(self, text: str, elapsed_s: float) -> None:
        if self._is_terminal:
            click.echo(f"\r\033[K{show_seconds(elapsed_s):>7}  {text}", err=True, nl=False)
        elif text != self._last and time.monotonic() - self._printed_at >= QUIET_S:
            click.echo(f"{show_seconds(elapsed_s):>7}  {text}", err=True)
            self._last, self._printed_at = text, time.monotonic()

    def close(self) -> None:
        if self._is_terminal:
            click.echo("", err=True)
