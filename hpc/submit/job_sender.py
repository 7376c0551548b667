"""Submission of the jobs of a run, each exactly once. No other module calls SubmitJob.

SubmitJob has no client token: if its answer is lost, the job may or may not exist. Therefore
- SubmitJob is called only with a claim of the part in S3 (`hpc.runs.claims`) that no other process holds;
- after a lost answer it is called again only after AWS Batch had time to list the job and ListJobs did not find it;
- a job that is submitted twice nevertheless does nothing: its containers find another job's id in the claim.
docs/exactly-once.md describes the protocol on one page.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hpc.aws import jobs
from hpc.aws.clients import CONNECT_TIMEOUT_S, SEND_TIMEOUT_S, Clients, error_code
from hpc.common import run_ids
from hpc.contract.s3_keys import RunPaths
from hpc.errors import HpcError
from hpc.plan.plan import Plan
from hpc.request.dependencies import resolved
from hpc.runs.claims import Claims, HeldClaim

LIST_LAG_S = 12.0
"""Seconds after a lost answer during which the job is looked for with ListJobs, before it is sent again."""
STALE_S = CONNECT_TIMEOUT_S + SEND_TIMEOUT_S + LIST_LAG_S
"""Age of a claim at which its process has no SubmitJob call in progress, and ListJobs shows the last one."""
GIVE_UP_S = 90.0
"""Seconds without an accepted job after which submission fails with an error."""
LOOK_DELAYS_S = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Seconds between calls of ListJobs; the last is repeated."""

_NOT_ACCEPTED = ("TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded")


@dataclass
class Pending:
    """A job of the run whose job id is not known yet."""

    number: int | None
    """Number of the part; None for a barrier."""
    job: dict[str, Any]
    key: str
    claim: HeldClaim = field(default_factory=HeldClaim)
    uncertain: bool = False
    """A job may exist: this process or another may have sent it."""
    not_before: float = 0.0
    """Monotonic time before which it is not sent (again)."""
    tries: int = 0


Accepted = Callable[[int, str, bool], None]
"""Called with part, job id and whether no other job of the part can exist."""


class JobSender:
    """Turns the parts of a plan into Batch jobs."""

    def __init__(self, plan: Plan, clients: Clients, accepted: Accepted) -> None:
        self._clients = clients
        self._claims = Claims.of_this_process(clients.s3, plan.bucket)
        self._run_id = plan.run_id
        self._ids = dict[str, str]()
        self._accepted = accepted
        self._heard_at = time.monotonic()
        self.pending = [
            *(Pending(None, job, plan.paths.barrier(number)) for number, job in enumerate(plan.barriers)),
            *(Pending(number, job, plan.paths.job(number)) for number, job in enumerate(plan.jobs)),
        ]

    def read_claims(self) -> None:
        """Take over the job ids that an earlier or concurrent submitter has written."""
        for part in list(self.pending):
            part.uncertain = not self._reread(part) and bool(part.claim.by)

    def send_all(self) -> None:
        """Return when every part has its job.

        Raises:
            HpcError: AWS Batch does not answer.
            ClientError: AWS Batch refuses a job.
        """
        looks = 0
        try:
            while True:
                now, looked = time.monotonic(), self._look()
                for part in list(self.pending):  # at the time of the look: sending earlier parts may take long
                    if now >= part.not_before and (looked or not part.uncertain) and self._ready(part):
                        self._send(part)
                if not self.pending:
                    return
                if time.monotonic() - self._heard_at > GIVE_UP_S:
                    raise HpcError("AWS Batch does not answer")
                time.sleep(LOOK_DELAYS_S[min(looks, len(LOOK_DELAYS_S) - 1)])
                looks += 1
        finally:
            self._release()

    def _look(self) -> bool:
        """Look for the jobs of uncertain parts with ListJobs and the claims; return whether AWS answered."""
        from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError

        unknown = [part for part in self.pending if part.uncertain]
        if not unknown:
            return True
        try:
            listed = dict[str, list[str]]()
            for queue in sorted({part.job["jobQueue"] for part in unknown}):
                listed |= jobs.by_name(self._clients.batch, queue, f"{self._run_id}-*")
            for part in unknown:
                if not self._reread(part) and (found := listed.get(part.job["jobName"])):
                    self._settle(part, found[0])
                elif not part.claim.by:  # its former holder sent nothing
                    part.not_before = 0.0
        except (HTTPClientError, EndpointConnectionError):
            return False
        except ClientError as error:
            if not _transient(error):
                raise
            return False
        return True

    def _reread(self, part: Pending) -> bool:
        """Read the claim again; return whether it names the job."""
        part.claim = self._claims.read(part.key)
        if part.claim.job_id:
            self._done(part, part.claim.job_id, settled=part.claim.sends == 1)
        return bool(part.claim.job_id)

    def _ready(self, part: Pending) -> bool:
        """Return whether the ids of all its dependencies are known."""
        names = {item.job["jobName"] for item in self.pending}
        return names.isdisjoint(item.get("jobId") for item in part.job.get("dependsOn", ()))

    def _send(self, part: Pending) -> None:
        from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, HTTPClientError

        if not self._take(part):
            return
        before, part.uncertain = part.uncertain, True  # until an answer shows that there is no job
        try:
            job_id = self._clients.batch_once.submit_job(**resolved(part.job, self._ids))["jobId"]
        except (ConnectTimeoutError, EndpointConnectionError):  # no connection: nothing was sent
            part.uncertain = before
            self._later(part)
        except ClientError as error:
            if _transient(error) and error_code(error) not in _NOT_ACCEPTED:
                self._wait_for_list(part)
                return
            part.uncertain = before
            if error_code(error) not in _NOT_ACCEPTED:
                raise
            self._later(part)
        except (HTTPClientError, KeyError, ValueError):  # no job id in the answer, or a truncated answer
            self._wait_for_list(part)
        else:
            self._settle(part, job_id)

    def _take(self, part: Pending) -> bool:
        """Claim the part for this process; return whether it may be sent now."""
        if part.claim.by and part.claim.by != self._claims.me and part.claim.age_s < STALE_S:
            self._wait_for(part, STALE_S - part.claim.age_s)
            return False
        # a stale claim's job may have been sent; this process's was not accepted, unless uncertain
        sends = part.claim.sends + 1 if part.uncertain or part.claim.by != self._claims.me else part.claim.sends
        claim = self._claims.write(part.key, part.claim, sends=sends)
        if claim:
            part.claim = claim
        elif not self._reread(part):
            self._wait_for(part, max(0.0, STALE_S - part.claim.age_s) if part.claim.by else 0.0)
        return claim is not None

    def _settle(self, part: Pending, job_id: str) -> None:
        """Write the job id into the claim, unless the claim already names another job."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            while not self._claims.write(part.key, part.claim, job_id=job_id, sends=max(1, part.claim.sends)):
                part.claim = self._claims.read(part.key)
                if part.claim.job_id:
                    break
        except (ClientError, BotoCoreError):  # its first container will write it
            self._done(part, job_id, settled=False)
            return
        holder = part.claim.job_id or job_id
        self._done(part, holder, settled=part.claim.sends <= 1 and holder == job_id)

    def _done(self, part: Pending, job_id: str, *, settled: bool) -> None:
        self.pending.remove(part)
        self._heard_at = time.monotonic()
        self._ids[part.job["jobName"]] = job_id
        if part.number is not None:
            self._accepted(part.number, job_id, settled)

    def _later(self, part: Pending) -> None:
        part.tries += 1
        part.not_before = time.monotonic() + random.uniform(0.5, 1) * min(8.0, 0.25 * 2**part.tries)  # noqa: S311

    def _wait_for_list(self, part: Pending) -> None:
        self._wait_for(part, LIST_LAG_S)

    @staticmethod
    def _wait_for(part: Pending, delay_s: float) -> None:
        part.uncertain = True
        part.not_before = time.monotonic() + delay_s

    def _release(self) -> None:
        """Release the claims of jobs that this process certainly has not sent."""
        from botocore.exceptions import BotoCoreError, ClientError

        for part in self.pending:
            if part.claim.by == self._claims.me and not part.uncertain:
                try:
                    self._claims.write(part.key, part.claim, sends=part.claim.sends - 1, free=True)
                except (ClientError, BotoCoreError):
                    return  # the claims become stale soon


def _transient(error: Any) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or error_code(error) in _NOT_ACCEPTED


def end_extra(clients: Clients, queue: str, bucket: str, paths: RunPaths, held: set[str]) -> list[str]:
    """Terminate the run's jobs whose part is held by another job; return a line about each.

    Args:
        held: jobs that are known to hold their part. The claim decides about any other job, which may have been sent
            since, or may still become the holder.
    """
    claims = Claims.of_this_process(clients.s3, bucket)
    lines = list[str]()
    listed = jobs.by_name(clients.batch, queue, f"{paths.run_id}-*")
    extra = list[str]()
    for name, ids in listed.items():
        named = run_ids.of_job_name(name)  # None: a barrier, of which a duplicate is harmless
        if named and not held.issuperset(ids):
            holder = claims.read(paths.job(named[1])).job_id
            extra += [job_id for job_id in ids if holder not in {None, job_id}]
    for job in jobs.describe(clients.batch, extra).values():
        if not job.is_terminal:
            clients.batch.terminate_job(jobId=job.job_id, reason=f"duplicate: run {paths.run_id} has another job")
        word = "had ended" if job.is_terminal else "ended"
        lines.append(f"job {job.job_id} was a duplicate in run {paths.run_id}: it did nothing and {word}")
    return lines
