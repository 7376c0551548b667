"""The library's door: `cluster = hpc.connect("dev")`, `run = cluster.submit(spec)`, `run.wait()`."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cached_property

from hpc import contract, definitions, environment, jobs, ranges, runid, state
from hpc.aws import Clients, error_code, in_words
from hpc.definitions import Listed
from hpc.environment import Environment
from hpc.errors import NotFound
from hpc.plan import Plan, derivable, plan
from hpc.run import Run
from hpc.spec import JobSpec
from hpc.submit import Progress, submit

_JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}([:#]\d+)?")
_RUN = re.compile(r"(?P<run_id>[^:]+)(:(?P<index>\d+))?")


def connect(name: str | None = None, *, profile: str | None = None, region: str | None = None) -> Cluster:
    """Return the environment `name`: default `$HPC_ENV`, then the only one that the account has in the Region.

    Raises:
        HpcError: no such environment, no credentials, no network; when it is first used.
    """
    return Cluster(Clients(profile, region), name or os.environ.get("HPC_ENV") or None)


@dataclass(frozen=True)
class Cluster:
    """A deployed environment."""

    clients: Clients
    name: str | None

    @cached_property
    def environment(self) -> Environment:
        """What the environment published."""
        with in_words():
            return environment.read(self.clients.ssm, self.name)

    def plan(self, spec: JobSpec, run_id: str | None = None) -> Plan:
        """Return what `submit` would send. Raises BadInput with every complaint."""
        project = self.project(spec.project)
        with in_words():
            environment = definitions.with_own(self.environment, project, spec.definition, self.clients.batch)
            target = derivable(spec, environment)
            found = definitions.find(spec, target, self.clients) if target else None
        return plan(spec, environment, run_id or runid.new(), found)

    def submit(self, spec: JobSpec) -> Run:
        """Submit a new run. Raises BadInput with every complaint before anything is sent."""
        return self.send(self.plan(spec), resume=False)

    def send(self, plan: Plan, *, resume: bool, progress: Progress = lambda _: None) -> Run:
        """Send a plan; with `resume`, only what an earlier call did not send."""
        with in_words():
            record = submit(plan, self.clients, self.environment.name, resume=resume, progress=progress)
        return self._run(record, None)

    def definitions(self) -> list[Listed]:
        """Return the job definitions that a request may name."""
        with in_words():
            return list(definitions.listed(self.environment, self.clients.batch))

    def project(self, name: str | None) -> str:
        return name or self.environment.meta.default_project

    def find(self, reference: str) -> Run:
        """Return the run or job behind `RUN`, `RUN:INDEX` or a Batch job id.

        Raises:
            NotFound: neither this machine nor the service knows it.
        """
        if _JOB_ID.fullmatch(reference):
            return self._job(reference)
        match = _RUN.fullmatch(reference)
        if not match or not runid.is_run_id(match["run_id"]):
            raise NotFound(f"{reference!r}: give a run id, RUN:INDEX or a Batch job id; hpc status lists your runs")
        record = state.load(self.environment.name, match["run_id"])
        if record is None or not record.parts:
            with in_words():
                record = self._look_up(match["run_id"])
        return self._run(record, None if match["index"] is None else int(match["index"]))

    def _job(self, job_id: str) -> Run:
        with in_words():
            job = jobs.describe(self.clients.batch, [job_id]).get(job_id)
        if job is None:
            raise NotFound(f"job {job_id}: AWS Batch does not know it (any more: ended jobs are kept for about 7 days)")
        named = runid.of_job_name(job.name)
        record = state.load(self.environment.name, named[0]) if named else None
        if named and record is None:
            with in_words():
                record = self._look_up(named[0])
        project = record.project if record else self.project(None)
        paths = contract.RunPaths(project=project, run_id=named[0]) if named else None
        return Run(self.clients, self.environment.meta, paths, (job_id,), record and record.task_of(job_id), record)

    def _run(self, record: state.Record, index: int | None) -> Run:
        """Return the whole run, or one task of it."""
        paths = contract.RunPaths(project=record.project, run_id=record.run_id)
        if index is None:
            ids = tuple(part.job_id for part in record.parts)
            return Run(self.clients, self.environment.meta, paths, ids, None, record)
        layout = record.layout
        found = layout.find(index)
        if found is None:
            have = ranges.show(layout.only or [(0, sum(size for _, size in layout.parts) - 1)])
            raise NotFound(f"run {record.run_id} has the tasks {have}; {index} was given")
        part, child = found
        job_id = record.parts[part].job_id
        child_id = f"{job_id}:{child}" if layout.children(part) > 1 else job_id
        return Run(self.clients, self.environment.meta, paths, (child_id,), index, record)

    def _look_up(self, run_id: str) -> state.Record:
        """Rebuild the record of a run that was submitted elsewhere, from its request.json and its jobs' names."""
        for project in self.environment.projects:
            paths = contract.RunPaths(project=project, run_id=run_id)
            try:
                answer = self.clients.s3.get_object(Bucket=self.environment.meta.bucket, Key=paths.request)
            except self.clients.s3.exceptions.ClientError as error:
                if error_code(error) in ("NoSuchKey", "AccessDenied"):
                    continue  # not in this project, or not ours to know
                raise
            request = json.loads(answer["Body"].read())
            queue = self.environment.queues.get(request["queue"])
            names = jobs.by_name(self.clients.batch, queue.arn if queue else request["queue"], f"{run_id}-*")
            found = {named[1]: job_id for name, job_id in names.items() if (named := runid.of_job_name(name))}
            if not found:
                raise NotFound(
                    f"run {run_id} was asked for, but AWS Batch has no job of it; repeat its hpc submit with"
                    f" --run {run_id} if it was interrupted"
                )
            layout = contract.Layout.of(request)
            parts = [
                state.Part(number=number, job_id=found[number], offset=offset, size=size)
                for number, (offset, size) in enumerate(layout.parts)
                if number in found
            ]
            return state.Record(
                run_id=run_id,
                environment=self.environment.name,
                project=project,
                name=request["name"],
                queue=request["queue"],
                sha256=request["sha256"],
                submitted_at=request.get("submitted_at", ""),
                parts=tuple(parts),
                pack=layout.pack,
                only=layout.only,
            )
        raise NotFound(f"run {run_id}: not found in environment {self.environment.name}; hpc status lists your runs")
