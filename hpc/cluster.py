"""The library's entry point: `cluster = hpc.connect("dev")`, `run = cluster.submit(spec)`, `run.wait()`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpc.aws import jobs
from hpc.aws.clients import Clients, translate_aws_errors
from hpc.common import run_ids
from hpc.contract.s3_keys import RunPaths
from hpc.errors import BadInput, NotFound
from hpc.request import index_ranges
from hpc.runs import records
from hpc.runs.run import Run
from hpc.session import Session

if TYPE_CHECKING:  # loaded by the first submission, to keep start-up short
    from hpc.common.progress import Progress
    from hpc.plan.plan import Plan
    from hpc.plan.skip_existing import Remaining
    from hpc.request.job_spec import JobSpec
    from hpc.submit.job_definitions import ListedDefinition

_JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}([:#]\d+)?")
_RUN = re.compile(r"(?P<run_id>[^:]+)(:(?P<index>\d+))?")


def connect(name: str | None = None, *, profile: str | None = None, region: str | None = None) -> Cluster:
    """Return the environment `name`; default: `$HPC_ENV`, then the only one of the account and Region.

    No call is made. The first use of the cluster raises HpcError if there is no such environment, or if credentials or
    the network are missing.
    """
    return Cluster(Clients(profile, region), name or os.environ.get("HPC_ENV") or None)


@dataclass(frozen=True)
class Cluster(Session):
    """A deployed environment."""

    def plan(self, spec: JobSpec, run_id: str | None = None, *, complaints: Sequence[str] = ()) -> Plan:
        """Return what `submit` would send. The environment may come from the cache and be up to a minute old.

        Args:
            run_id: of a run that is completed; default: a new run.
            complaints: found by the caller; raised together with those found here.

        Raises:
            BadInput: with every complaint.
        """
        try:
            return self._plan(spec, run_id, complaints)
        except BadInput:
            if not self.environment.remembered:
                raise
        self.refresh()  # it may have changed within the last minute
        return self._plan(spec, run_id, complaints)

    def _plan(self, spec: JobSpec, run_id: str | None, complaints: Sequence[str]) -> Plan:
        from hpc.plan.plan import custom_definition_target, plan
        from hpc.submit import job_definitions

        project = self.project(spec.project)
        with translate_aws_errors():
            environment = job_definitions.with_own(self.environment, project, spec.definition, self.clients)
            target = custom_definition_target(spec, environment)
            facts = job_definitions.find(spec, target, self.clients) if target else None
        return plan(spec, environment, run_id or run_ids.new(), facts, complaints=complaints)

    def remaining(self, spec: JobSpec) -> Remaining:
        """Return the request without the tasks whose outputs all exist at their destinations."""
        from hpc.plan.skip_existing import remaining

        self.plan(spec)  # raises every complaint first
        with translate_aws_errors():
            return remaining(spec, self.clients.s3)

    def submit(self, spec: JobSpec, *, once: str | None = None) -> Run:
        """Submit a run.

        Args:
            once: a key that makes the run id: the same project, key and request always give the same run.

        Raises:
            BadInput: with every complaint, before anything is sent; or the key belongs to a different request.
            HpcError: AWS refused or does not answer; the message says how to complete the run.
        """
        self.renew()
        return self.send(self.plan(spec, run_ids.from_key(self.project(spec.project), once) if once else None))

    def send(self, plan: Plan, *, progress: Progress = lambda _: None) -> Run:
        """Send a plan, or the rest of it if an earlier call with the same run id sent a part.

        Args:
            progress: called with the number of bytes uploaded, by several threads.
        """
        from hpc.submit.submission import submit

        record = submit(plan, self.clients, self.environment.name, progress=progress)
        if not record.is_complete:
            record = self._look_up(record.run_id, record)
        return self._run(record, None)

    def definitions(self) -> list[ListedDefinition]:
        """Return the job definitions that `JobSpec.definition` accepts."""
        from hpc.submit import job_definitions

        with translate_aws_errors():
            return list(job_definitions.listed(self.environment, self.clients.batch))

    def project(self, name: str | None) -> str:
        """Return the project's name; default: the environment's default project."""
        return name or self.environment.meta.default_project

    def find(self, reference: str) -> Run:
        """Return the run or job for `RUN`, `RUN:INDEX` or a Batch job id.

        Raises:
            NotFound: there is no such run or job.
        """
        if _JOB_ID.fullmatch(reference):
            return self._job(reference)
        match = _RUN.fullmatch(reference)
        if not match or not run_ids.is_run_id(match["run_id"]):
            raise NotFound(f"{reference!r}: write a run id, RUN:INDEX or a Batch job id; hpc status lists your runs")
        record = records.load(self.name, match["run_id"])
        if record is None or not record.is_complete:
            record = self._look_up(match["run_id"], record)
        return self._run(record, None if match["index"] is None else int(match["index"]))

    def _job(self, job_id: str) -> Run:
        with translate_aws_errors():
            job = jobs.describe(self.clients.batch, [job_id]).get(job_id)
        if job is None:
            raise NotFound(f"job {job_id}: AWS Batch does not know it; ended jobs are kept for about 7 days")
        named = run_ids.of_job_name(job.name)
        record = records.load(self.name, named[0]) if named else None
        if named and record is None:
            record = self._look_up(named[0])
        project = record.project if record else self.project(None)
        paths = RunPaths(project=project, run_id=named[0]) if named else None
        return Run(self, paths, (job_id,), record and record.task_of(job_id), record)

    def _run(self, record: records.Record, index: int | None) -> Run:
        """Return the whole run, or one task of it."""
        paths = RunPaths(project=record.project, run_id=record.run_id)
        if index is None:
            ids = tuple(part.job_id for part in record.parts)
            return Run(self, paths, ids, None, record)
        layout = record.layout
        location = layout.find(index)
        if location is None:
            indices = index_ranges.show(layout.only or [(0, sum(size for _, size in layout.parts) - 1)])
            raise NotFound(f"run {record.run_id} has the tasks {indices}; {index} was given")
        part, child = location
        job_id = record.parts[part].job_id
        child_id = f"{job_id}:{child}" if layout.children(part) > 1 else job_id
        return Run(self, paths, (child_id,), index, record)

    def _look_up(self, run_id: str, known: records.Record | None = None) -> records.Record:
        """Rebuild the record from S3 and AWS Batch; end duplicate jobs, with a note on stderr about each."""
        from hpc.runs import recovery

        with translate_aws_errors():
            record = recovery.record(self.clients, self.environment, run_id, known)
            if all(part.settled for part in record.parts):
                return record
            from hpc.submit.job_sender import end_extra  # only where needed, to keep start-up short

            paths = RunPaths(project=record.project, run_id=run_id)
            queue = self.environment.queues[record.queue].arn
            held = {part.job_id for part in record.parts}
            for line in end_extra(self.clients, queue, self.environment.meta.bucket, paths, held):
                print(f"note: {line}", file=sys.stderr)
        return record
