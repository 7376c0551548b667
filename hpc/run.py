"""A submitted run, or a part of one: states, exit code, logs, outputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hpc import contract, jobs, logs, outputs, runid
from hpc.aws import Clients, in_words
from hpc.errors import EXIT_NO_EXIT_CODE, HpcError, NotFound
from hpc.jobs import Job

POLL_MIN_S, POLL_MAX_S = 0.3, 10.0


@dataclass(frozen=True)
class Run:
    """The handle that submitting and finding give."""

    clients: Clients
    meta: contract.Meta
    paths: contract.RunPaths | None
    """None for a job that `hpc` did not submit: it has no place in the data bucket."""
    job_ids: tuple[str, ...]
    index: int | None
    """The task that was asked for, None for all."""
    missing: int = 0
    """Batch jobs of the run that have not been submitted (yet)."""

    @property
    def run_id(self) -> str:
        return self.paths.run_id if self.paths else self.job_ids[0]

    @property
    def reference(self) -> str:
        """What the commands take to mean this."""
        return self.run_id if self.index is None or not self.paths else f"{self.run_id}:{self.index}"

    @property
    def incomplete(self) -> str:
        """What people are told of a run with missing jobs."""
        return (
            f"run {self.run_id} is incomplete: {self.missing} of {self.missing + len(self.job_ids)} jobs have not been"
            f" submitted; if its hpc submit was interrupted, {runid.go_on(self.run_id)}"
        )

    def jobs(self) -> list[Job]:
        """Return the state of every Batch job of the run.

        Raises:
            NotFound: AWS Batch has forgotten a job.
        """
        with in_words():
            found = jobs.describe(self.clients.batch, self.job_ids)
        for job_id in self.job_ids:
            if job_id not in found:
                raise NotFound(
                    f"job {job_id}: AWS Batch does not know it (any more: ended jobs are kept for about 7 days);"
                    " its outputs are still in S3: hpc fetch"
                )
        return [found[job_id] for job_id in self.job_ids]

    def failed_children(self, most: int) -> list[Job]:
        """Return the first failed children of the run's arrays, in the order of parts and children."""
        batch = self.clients.batch
        with in_words():
            ids = list[str]()
            for parent in self.jobs():
                if (parent.array_summary or {}).get("FAILED") and len(ids) < most:
                    ids += jobs.failed_children(batch, parent)
            found = jobs.describe(batch, ids[:most])
        return [found[child] for child in ids[:most] if child in found]

    def wait(self, on_poll: Callable[[list[Job]], None] = lambda _: None) -> list[Job]:
        """Wait until every job has ended; calls `on_poll` after every look.

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
        """Return 0 if all succeeded, else the first failure's exit code (125 where no command exited)."""
        for job in self.jobs():
            if job.status == "FAILED":
                with in_words():
                    code = jobs.exit_code_of(self.clients.batch, job)
                return code or EXIT_NO_EXIT_CODE
        return 0

    def log_lines(self, *, follow: bool) -> Iterator[tuple[str, str]]:
        """Yield label and line of every container's log."""
        wanted = [source for job in self.jobs() for source in logs.sources(job, self.meta.log_group)]
        with in_words():
            yield from logs.lines(self.clients, wanted, follow=follow)

    def outputs(self) -> list[outputs.Output]:
        """Return the objects that the run has left so far."""
        with in_words():
            return outputs.listing(self.clients.s3, self.meta.bucket, self.outputs_prefix)

    @property
    def outputs_prefix(self) -> str:
        if self.paths is None:
            raise HpcError(f"job {self.job_ids[0]} was not submitted by hpc: it has no outputs in the data bucket")
        return self.paths.outputs if self.index is None else self.paths.output(self.index)

    @property
    def outputs_uri(self) -> str | None:
        """Where the outputs are, to be another run's `--input`; None for a job that `hpc` did not submit."""
        return f"s3://{self.meta.bucket}/{self.outputs_prefix}" if self.paths else None

    def fetch(self, folder: Path) -> list[Path]:
        """Download the outputs; return the files."""
        found = self.outputs()
        with in_words():
            return outputs.fetch(self.clients.s3, self.meta.bucket, self.outputs_prefix, found, folder)

    def cancel(self, reason: str) -> list[tuple[Job, bool]]:
        """End what has not ended; return each job as it was, and whether it had to be ended.

        TerminateJob cancels a job that waits and stops one that runs
        (https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJob.html).
        """
        found = self.jobs()
        with in_words():
            for job in found:
                if not job.is_terminal:
                    self.clients.batch.terminate_job(jobId=job.job_id, reason=reason[:1024])
        return [(job, not job.is_terminal) for job in found]
