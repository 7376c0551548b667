"""Another node's side: finds the main node, registers, and starts what it is told to until it may finish."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import socket
import time
from collections.abc import Mapping

from hpc import contract
from hpc.node.failure import Failure
from hpc.node.place import Place
from hpc.node.process import Supervisor
from hpc.node.s3 import S3, S3Error
from hpc.node.wireup import protocol
from hpc.node.wireup.protocol import Channel, Lost, Message

LONGEST_POLL_S = 3.0
FINISH_GRACE_S = 3.0
"""For how long MPI's daemons may take to end by themselves after `mpirun` has ended."""


class ChildNode:
    """A registered node: `join` makes one, `serve` lets it work until the main node says that the job is over."""

    def __init__(self, place: Place, channel: Channel, main: str, supervisor: Supervisor) -> None:
        self._place = place
        self._channel = channel
        self._main = main
        self._supervisor = supervisor
        self._env: dict[str, str] = {}
        self._finish = False

    def serve(self, env: Mapping[str, str]) -> None:
        """Say that this node is ready and start what the main node asks for, until it says that the job is over.

        Raises:
            Failure: the main node was lost.
        """
        self._env = dict(env)
        self._supervisor.watch(self._channel.sock, self._hear)
        self._tell({"ready": True})
        self.await_end(None)

    def await_end(self, timeout_s: float | None) -> None:
        """Go on until the main node says that the job is over.

        Raises:
            Failure: the main node was lost, or said nothing within `timeout_s`.
        """
        if not self._supervisor.turn_until(lambda: self._finish, timeout_s):
            raise Failure(128 + signal.SIGTERM, "stopped by a signal while the job goes on")
        self._supervisor.end_all(FINISH_GRACE_S)

    def finished(self) -> None:
        """Say that this node's outputs are stored."""
        self._tell({"finished": True})

    def failed(self, failure: Failure) -> None:
        """Say why this node cannot go on, if the main node still listens."""
        with contextlib.suppress(Lost):
            self._channel.send({"failed": str(failure), "exit_code": failure.exit_code})

    def _hear(self) -> None:
        try:
            messages = self._channel.receive()
        except Lost as reason:
            self._supervisor.forget(self._channel.sock)
            raise self._lost(reason) from reason
        for message in messages:
            self._finish = self._finish or "finish" in message
            if "start" in message:
                self._start(int(message["start"]), str(message["command"]))

    def _start(self, number: int, command: str) -> None:
        def ended(exit_code: int) -> None:
            self._tell({"ended": number, "exit_code": exit_code})

        self._supervisor.start(["/bin/sh", "-c", command], self._env, ended)

    def _tell(self, message: Message) -> None:
        try:
            self._channel.send(message)
        except Lost as reason:
            raise self._lost(reason) from reason

    def _lost(self, reason: Lost) -> Failure:
        return Failure(contract.EXIT_NODE_LOST, f"the main node at {self._main} was lost ({reason}); this node ends")


def join(s3: S3, place: Place, address: str, supervisor: Supervisor, timeout_s: float) -> ChildNode:
    """Find the main node and register with it.

    Raises:
        Failure: it was not found, not reached or did not prove itself within `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    key = place.paths.rendezvous(place.part, place.attempt)
    trouble = "nothing there"
    delay = 0.05
    while time.monotonic() < deadline:
        try:
            where = json.loads(s3.get(place.bucket, key))
            # Another job that carries the same run is turned away by the lease; its nodes must not join this one.
            if where["job_id"] == place.job_id:
                if "ended" in where:
                    raise Failure(
                        contract.EXIT_RENDEZVOUS, f"the main node gave up before this one came: {where['ended']}"
                    )
                channel = _register(where, place, address, deadline)
                return ChildNode(place, channel, str(where["address"]), supervisor)
            trouble = f"it speaks of another job, {where['job_id']}"
        except (S3Error, Lost, OSError) as error:
            trouble = str(error)
        time.sleep(max(0.0, min(delay, deadline - time.monotonic())))
        delay = min(LONGEST_POLL_S, delay * random.uniform(1.3, 1.8))  # noqa: S311 - no secret
    raise Failure(
        contract.EXIT_RENDEZVOUS,
        f"node {place.node} did not reach the main node within {timeout_s:g} s; it is announced in "
        f"s3://{place.bucket}/{key}, last answer: {trouble}",
    )


def _register(where: Mapping[str, object], place: Place, address: str, deadline: float) -> Channel:
    token, role = str(where["token"]), f"node {place.node} at {address}"
    left = max(0.1, min(protocol.SEND_TIMEOUT_S, deadline - time.monotonic()))
    sock = socket.create_connection((str(where["address"]), int(str(where["port"]))), timeout=left)
    channel = Channel(sock)
    try:
        challenge = str(_next(channel).get("challenge"))
        mine = protocol.nonce()
        answer = protocol.proof(token, role, challenge)
        channel.send({"node": place.node, "address": address, "proof": answer, "challenge": mine})
        proved = protocol.proves(_next(channel).get("proof"), token, "main", mine)
    except Lost:
        sock.close()
        raise
    if not proved:
        sock.close()
        raise Lost("the main node does not know the token")
    return channel


def _next(channel: Channel) -> Message:
    while True:
        for message in channel.receive():
            return message
