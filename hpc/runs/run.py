"""A submitted run, or one of its tasks: states, exit code, logs, outputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpc.aws import job_logs, jobs
from hpc.aws.clients import Clients, translate_aws_errors
from hpc.aws.jobs import Job
from hpc.common import run_ids
from hpc.contract import objects
from hpc.contract.s3_keys import RunPaths
from hpc.errors import EXIT_NO_EXIT_CODE, BadInput, HpcError, NotFound
from hpc.runs import outputs, packed_tasks
from hpc.runs.records import Record

if TYPE_CHECKING:
    from hpc.common.progress import Progress
    from hpc.session import Session

POLL_MIN_S, POLL_MAX_S = 0.3, 10.0


@dataclass(frozen=True)
class Run:
    """Handle of a submitted run or of one of its tasks."""

    session: Session
    paths: RunPaths | None
    """None for a job that `hpc` did not submit: it has no outputs in the data bucket."""
    job_ids: tuple[str, ...]
    index: int | None
    """Index of the task; None for the whole run."""
    record: Record | None = None
    """The record of the run; None for a job that `hpc` did not submit."""

    @property
    def clients(self) -> Clients:
        return self.session.clients

    @property
    def meta(self) -> objects.Meta:
        return self.session.environment.meta

    @property
    def missing(self) -> int:
        """Number of Batch jobs of the run that have not been submitted."""
        return 0 if self.record is None or self.index is not None else self.record.jobs - len(self.record.parts)

    @property
    def run_id(self) -> str:
        """The run id; the job id for a job that `hpc` did not submit."""
        return self.paths.run_id if self.paths else self.job_ids[0]

    @property
    def reference(self) -> str:
        """The argument of commands for this run or task: `RUN` or `RUN:INDEX`."""
        return self.run_id if self.index is None or not self.paths else f"{self.run_id}:{self.index}"

    @property
    def incomplete(self) -> str:
        """The message about a run with missing jobs."""
        return (
            f"run {self.run_id} is incomplete: {self.missing} of {self.missing + len(self.job_ids)} jobs have not been"
            f" submitted; if its hpc submit was interrupted, {run_ids.go_on(self.run_id)}"
        )

    def jobs(self) -> list[Job]:
        """Return the state of every Batch job of the run.

        Raises:
            NotFound: AWS Batch no longer knows a job.
        """
        with translate_aws_errors():
            found = jobs.describe(self.clients.batch, self.job_ids)
        for job_id in self.job_ids:
            if job_id not in found:
                raise NotFound(
                    f"job {job_id}: AWS Batch does not know it; ended jobs are kept for about 7 days;"
                    " its outputs are still in S3: hpc fetch"
                )
        return [found[job_id] for job_id in self.job_ids]

    def failed_children(self, most: int) -> list[Job]:
        """Return the first `most` failed children of the run's arrays, in the order of parts and children."""
        batch = self.clients.batch
        with translate_aws_errors():
            ids = list[str]()
            for parent in self.jobs():
                if (parent.array_summary or {}).get("FAILED") and len(ids) < most:
                    ids += jobs.failed_children(batch, parent)
            found = jobs.describe(batch, ids[:most])
        return [found[child] for child in ids[:most] if child in found]

    @property
    def is_packed(self) -> bool:
        """True if each child runs several tasks."""
        return self.record is not None and self.record.pack > 1

    def failed_rows(self, most: int) -> list[packed_tasks.PackedTask]:
        """Return the first `most` tasks that failed or never ran, for a run with `pack`; else an empty list."""
        if self.record is None or not self.is_packed:
            return []
        if self.index is not None:
            row = self._row(self.record, self.index)
            return [row] if row.exit_code else []
        alone = [job for job in self.jobs() if job.array_size is None and job.status == "FAILED"]
        children = [*self.failed_children(most), *alone]
        with translate_aws_errors():
            return packed_tasks.failed(self.clients.s3, self.meta.bucket, self.record, children, most)

    def _row(self, record: Record, index: int) -> packed_tasks.PackedTask:
        with translate_aws_errors():
            rows = packed_tasks.of_child(self.clients.s3, self.meta.bucket, record, self.job_ids[0])
            return next(row for row in rows if row.index == index)

    def wait(self, on_poll: Callable[[list[Job]], None] = lambda _: None) -> list[Job]:
        """Wait until every job has ended, and return the jobs; call `on_poll` after every DescribeJobs.

        Raises:
            HpcError: only some of the run's jobs have been submitted.
        """
        if self.missing:
            raise HpcError(self.incomplete)
        started = time.monotonic()
        while True:
            found = self.jobs()
            on_poll(found)
            if all(job.is_terminal for job in found):
                return found
            elapsed_s = time.monotonic() - started
            time.sleep(min(POLL_MAX_S, max(POLL_MIN_S, elapsed_s / 10)))

    def exit_code(self) -> int:
        """Return 0 if all jobs succeeded, else the exit code of the first failure; 125 if no command exited."""
        if self.record is not None and self.is_packed and self.index is not None:
            code = self._row(self.record, self.index).exit_code
            return EXIT_NO_EXIT_CODE if code is None else code
        for job in self.jobs():
            if job.status == "FAILED":
                with translate_aws_errors():
                    code = jobs.exit_code_of(self.clients.batch, job)
                return code or EXIT_NO_EXIT_CODE
        return 0

    def log_lines(self, *, follow: bool) -> Iterator[tuple[str, str]]:
        """Yield label and line of the logs of all containers; with `follow`, until all have ended."""
        wanted = (source for job in self.jobs() for source in self._sources(job))
        with translate_aws_errors():
            yield from job_logs.lines(self.clients, wanted, follow=follow)

    def _sources(self, job: Job) -> Iterator[job_logs.Source]:
        """Yield the containers of a job, those of an array labelled with the index of their (first) task."""
        for source in job_logs.sources(job, self.meta.log_group):
            found = self.record.child(source.job_id) if self.record and job.array_size is not None else None
            if self.record and found:
                layout = self.record.layout
                source.label = str(layout.index(layout.positions(*found).start))
            yield source

    def outputs(self) -> list[outputs.Output]:
        """Return the outputs that the run has written so far."""
        with translate_aws_errors():
            return outputs.listing(self.clients.s3, self.meta.bucket, self.outputs_prefix)

    @property
    def outputs_prefix(self) -> str:
        if self.paths is None:
            raise HpcError(f"job {self.job_ids[0]} was not submitted by hpc: it has no outputs in the data bucket")
        return self.paths.outputs if self.index is None else self.paths.output(self.index)

    @property
    def outputs_uri(self) -> str | None:
        """S3 URI of the outputs, for another run's `Input`; None for a job that `hpc` did not submit."""
        return f"s3://{self.meta.bucket}/{self.outputs_prefix}" if self.paths else None

    def fetch(
        self, folder: Path, chosen: list[outputs.Output] | None = None, *, progress: Progress = lambda _: None
    ) -> list[Path]:
        """Download the outputs; return the files.

        Args:
            chosen: some of `outputs()`; default: all.
            progress: called with the number of bytes received, by several threads.
        """
        from hpc.runs.download import fetch

        wanted = self.outputs() if chosen is None else chosen
        with translate_aws_errors():
            return fetch(self.clients.s3, self.meta.bucket, self.outputs_prefix, wanted, folder, progress)

    def cancel(self, reason: str) -> list[tuple[Job, bool]]:
        """Terminate the jobs that have not ended; return each job as it was, and whether it was terminated.

        TerminateJob cancels a waiting job and stops a running one
        (https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJob.html).

        Raises:
            BadInput: the task shares its child with other tasks, which would end too.
        """
        if self.is_packed and self.index is not None:
            raise BadInput(
                f"{self.reference}: this task shares a child with others, which would end too; to end all of them:"
                f" hpc cancel {self.job_ids[0]}"
            )
        found = self.jobs()
        with translate_aws_errors():
            for job in found:
                if not job.is_terminal:
                    self.clients.batch.terminate_job(jobId=job.job_id, reason=reason[:1024])
        return [(job, not job.is_terminal) for job in found]
