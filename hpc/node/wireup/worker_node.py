"""Worker side of a multi-node job: finds the main node, registers, and starts processes at its request."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from hpc.contract import exit_codes
from hpc.contract.rendezvous import AbsenceNote, RendezvousNote
from hpc.node.failure import Failure
from hpc.node.job_context import JobContext
from hpc.node.s3.client import S3, S3Error
from hpc.node.supervisor import Supervisor
from hpc.node.wireup import reachability
from hpc.node.wireup.channel import SEND_TIMEOUT_S, Channel, Message, PeerLost, nonce, proof, proves
from hpc.node.wireup.heartbeat import Heartbeat

LONGEST_POLL_S = 3.0
"""Maximum seconds between two reads of the main node's note."""
UNREACHED_SHARE = 0.1
"""Share of the rendezvous time-out for which a node tries to reach a main node that is announced but not reachable."""
FINISH_GRACE_S = 3.0
"""Seconds that MPI's daemons may take to end by themselves after `mpirun` has ended."""


class WorkerNode:
    """A registered node: `join` creates it, `serve` runs it until the main node ends the job."""

    def __init__(
        self, channel: Channel, main: str, listener: socket.socket, supervisor: Supervisor, beat_s: float
    ) -> None:
        self._channel = channel
        self._main = main
        self._listener = listener
        self._supervisor = supervisor
        self._env: dict[str, str] = {}
        self._workdir: Path | None = None
        self._efa = False
        self._finish = False
        Heartbeat(supervisor, beat_s, lambda: [channel], self._main_is_silent)

    def serve(self, env: Mapping[str, str], workdir: Path, *, efa: bool) -> None:
        """Test the connections to other nodes, report that this node is ready, and start processes at the main node's
        request until it ends the job.

        Args:
            efa: whether this node can use EFA.

        Raises:
            Failure: the main node was lost, or gave up.
        """
        self._env, self._workdir, self._efa = dict(env), workdir, efa
        self._supervisor.watch(self._channel.sock, self._receive)
        for message in self._channel.take_pending():
            self._handle(message)
        self.await_end(None)

    def await_end(self, timeout_s: float | None) -> None:
        """Serve until the main node ends the job.

        Raises:
            Failure: the main node was lost, or did not end the job within `timeout_s`.
        """
        if not self._supervisor.turn_until(lambda: self._finish, timeout_s):
            raise Failure(128 + signal.SIGTERM, "this node was stopped by a signal while the job still runs")
        self._supervisor.end_all(FINISH_GRACE_S)

    def finished(self) -> None:
        """Report that this node's outputs are stored."""
        self._send({"finished": True})

    def failed(self, failure: Failure) -> None:
        """Report why this node cannot continue, if the connection still exists."""
        with contextlib.suppress(PeerLost):
            self._channel.send({"failed": str(failure), "exit_code": failure.exit_code})

    def _receive(self) -> None:
        try:
            messages = self._channel.receive()
        except PeerLost as reason:
            self._supervisor.forget(self._channel.sock)
            raise self._lost(reason) from reason
        for message in messages:
            self._handle(message)

    def _handle(self, message: Message) -> None:
        if "gave_up" in message:
            raise Failure(exit_codes.NODE_LOST, f"the main node at {self._main} gave up: {message['gave_up']}")
        if "reach" in message:
            unreached = reachability.unreached(
                {int(node): (host, port) for node, (host, port) in message["reach"].items()}
            )
            self._send({"ready": True, "unreached": unreached, "efa": self._efa})
        if "env" in message:  # the first one is sent after all nodes have tested their connections
            self._listener.close()
            self._env = {**{str(name): str(value) for name, value in message["env"].items()}, **self._env}
        if "start" in message:
            self._start(int(message["start"]), message)
        self._finish = self._finish or "finish" in message

    def _start(self, number: int, message: Message) -> None:
        def ended(exit_code: int) -> None:
            self._send({"ended": number, "exit_code": exit_code})

        if "argv" not in message:
            self._supervisor.start(["/bin/sh", "-c", str(message["command"])], self._env, ended)
            return
        self._supervisor.interruptible = False  # from here on signals go to the command, as on the main node
        self._supervisor.start([str(word) for word in message["argv"]], self._env, ended, self._workdir)

    def _send(self, message: Message) -> None:
        try:
            self._channel.send(message)
        except PeerLost as reason:
            raise self._lost(reason) from reason

    def _main_is_silent(self, _channel: Channel, reason: str) -> None:
        raise self._lost(PeerLost(reason))

    def _lost(self, reason: PeerLost) -> Failure:
        return Failure(exit_codes.NODE_LOST, f"the main node at {self._main} was lost ({reason}); this node ends")


def join(s3: S3, context: JobContext, address: str, supervisor: Supervisor, timeout_s: float) -> WorkerNode:
    """Find the main node and register with it.

    Raises:
        Failure: it was not found, not reached or not authenticated within `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    unreached_since: float | None = None
    key = context.paths.rendezvous(context.part, context.attempt)
    trouble = "no announcement"
    delay = 0.05
    listener = reachability.listen(address, context.nodes)
    while time.monotonic() < deadline:
        try:
            main = RendezvousNote.from_bytes(s3.get(context.bucket, key))
            # Another job with the same run does not get the lease; its nodes must not join this job.
            if main.job_id == context.job_id:
                if main.ended:
                    raise Failure(
                        exit_codes.RENDEZVOUS, f"the main node gave up before this node registered: {main.ended}"
                    )
                unreached_since = unreached_since or time.monotonic()
                channel, beat_s = _register(main, context, address, listener.getsockname()[1], deadline)
                return WorkerNode(channel, main.address, listener, supervisor, beat_s)
            trouble = f"it belongs to another job, {main.job_id}"
        except (S3Error, PeerLost, ValueError, KeyError, TypeError) as error:
            trouble = str(error)
        except _Unreached as error:
            trouble = str(error)
            if unreached_since and time.monotonic() - unreached_since > UNREACHED_SHARE * timeout_s:
                break
        time.sleep(max(0.0, min(delay, deadline - time.monotonic())))
        delay = min(LONGEST_POLL_S, delay * random.uniform(1.3, 1.8))  # noqa: S311 - no secret
    raise Failure(
        exit_codes.RENDEZVOUS,
        f"node {context.node} at {address} did not reach the main node; it is announced in"
        f" s3://{context.bucket}/{key}, last answer: {trouble}",
    )


class _Unreached(Exception):  # noqa: N818 - an event, not a program error
    """The main node is announced, but its port does not answer."""


def leave_note(s3: S3, context: JobContext, failure: Failure) -> None:
    """Report through S3 to a main node without a connection why this node cannot join."""
    note = AbsenceNote(job_id=context.job_id, node=context.node, failed=str(failure), exit_code=failure.exit_code)
    with contextlib.suppress(S3Error):
        key = context.paths.rendezvous(context.part, context.attempt, context.node)
        s3.put(context.bucket, key, note.to_bytes())


def _register(
    main: RendezvousNote, context: JobContext, address: str, port: int, deadline: float
) -> tuple[Channel, float]:
    """Register with the main node; return the connection and the seconds between two heartbeats."""
    token, role = main.token, f"node {context.node} at {address}"
    left = max(0.1, min(SEND_TIMEOUT_S, deadline - time.monotonic()))
    try:
        sock = socket.create_connection((main.address, main.port), timeout=left)
    except OSError as error:
        raise _Unreached(
            f"{address} cannot connect to {main.address}:{main.port}: {error}; {reachability.advice()}"
        ) from error
    channel = Channel(sock)
    try:
        challenge = str(channel.receive_one().get("challenge"))
        mine = nonce()
        answer = proof(token, role, challenge)
        registration = {"node": context.node, "address": address, "port": port}
        channel.send({**registration, "proof": answer, "challenge": mine})
        welcome = channel.receive_one()
    except PeerLost:
        sock.close()
        raise
    if not proves(welcome.get("proof"), token, "main", mine):
        sock.close()
        raise PeerLost("the main node does not know the token")
    return channel, float(welcome["beat_s"])
