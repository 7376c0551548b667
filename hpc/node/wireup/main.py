"""The main node's side: gathers the other nodes, watches over them, and starts MPI's daemons on them."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hpc import contract
from hpc.node.failure import Failure, say
from hpc.node.place import Place
from hpc.node.process import Supervisor
from hpc.node.s3 import S3, S3Error
from hpc.node.wireup import mpi, protocol
from hpc.node.wireup.protocol import Channel, Lost, Message

FINISH_TIMEOUT_S = 900.0
"""For how long the main node waits for the others' outputs once the command has ended."""


@dataclass
class Peer:
    """A connection that came in; a node once it has proved that it knows the token."""

    channel: Channel
    challenge: str = field(default_factory=protocol.nonce)
    node: int | None = None
    address: str = ""
    ready: bool = False
    finished: bool = False


class MainNode:
    """Usage, in this order: `announce`, `gather`, `wait_ready`, `environment`, the command, `command_ended`, `finish`.

    While the supervisor turns, a node that is lost or cannot go on raises Failure out of it, until `command_ended`.
    """

    def __init__(self, place: Place, address: str, supervisor: Supervisor) -> None:
        self._place = place
        self._address = address
        self._supervisor = supervisor
        self._token = secrets.token_hex(32)
        self._nodes: dict[int, Peer] = {}
        self._ended = False
        self._failure: Failure | None = None
        self._launches: dict[int, Channel] = {}
        self._launch_numbers = itertools.count()
        self._env: dict[str, str] = {}
        self._listener = socket.create_server((address, 0), backlog=max(128, place.nodes))
        supervisor.watch(self._listener, self._accept)
        self._agents = socket.socket(socket.AF_UNIX)
        self._agents_name = f"hpc-node-{secrets.token_hex(8)}"
        self._agents.bind(f"\0{self._agents_name}")  # abstract: no file to protect, no limit on the path
        self._agents.listen(128)
        supervisor.watch(self._agents, self._accept_agent)

    def announce(self, s3: S3) -> None:
        """Leave word in S3 where this node listens.

        Raises:
            Failure: S3 does not take it.
        """
        port = self._listener.getsockname()[1]
        self._leave_word(s3, {"address": self._address, "port": port, "token": self._token})

    def give_up(self, s3: S3, reason: str) -> None:
        """Let nodes that are still to come know that there is nothing to come for."""
        with contextlib.suppress(Failure):  # they have a deadline of their own
            self._leave_word(s3, {"ended": reason})

    def _leave_word(self, s3: S3, word: Message) -> None:
        key = self._place.paths.rendezvous(self._place.part, self._place.attempt)
        try:
            s3.put(self._place.bucket, key, json.dumps({"job_id": self._place.job_id, **word}).encode())
        except S3Error as error:
            raise Failure(contract.EXIT_RENDEZVOUS, f"cannot announce the main node: {error}") from error

    def gather(self, timeout_s: float) -> None:
        """Wait until every other node has registered.

        Raises:
            Failure: the time is over; the message names the nodes that did not come.
        """
        expected = set(range(self._place.nodes)) - {self._place.node}
        complete = self._supervisor.turn_until(lambda: expected <= set(self._nodes), timeout_s)
        if not complete:
            missing = ", ".join(str(node) for node in sorted(expected - set(self._nodes)))
            raise Failure(
                contract.EXIT_RENDEZVOUS,
                f"node(s) {missing} of {self._place.nodes} did not register at {self._address} within "
                f"{timeout_s:g} s; look at their logs, then at capacity and at the security group, which must let "
                "the nodes reach each other",
            )
        self._supervisor.forget(self._listener)

    def wait_ready(self) -> None:
        """Wait until every node has fetched its inputs; a node that cannot, or is lost, raises Failure."""
        self._supervisor.turn_until(lambda: all(peer.ready for peer in self._nodes.values()))

    def environment(self, slots: int, folder: Path, env: dict[str, str]) -> dict[str, str]:
        """Return the variables with which the command is started: `env` and what makes `mpirun` span the nodes."""
        addresses = [self._address_of(node) for node in range(self._place.nodes)]
        settings = mpi.environment(addresses, slots, folder, self._agents_name, mpi.present_interfaces())
        self._env = {**mpi.root_settings(), **env}
        return {**settings, **self._env}

    def command_ended(self) -> None:
        """From here on trouble with a node is kept for `finish`; MPI starts nothing more."""
        self._ended = True
        self._supervisor.forget(self._listener)
        self._supervisor.forget(self._agents)

    def finish(self) -> None:
        """Tell the nodes that the command has ended, and wait until they have sent their outputs.

        Raises:
            Failure: a node was lost, or could not send its outputs.
        """
        nodes = dict(self._nodes)
        for peer in nodes.values():
            self._tell(peer, {"finish": True})
        done = self._supervisor.turn_until(lambda: all(peer.finished for peer in nodes.values()), FINISH_TIMEOUT_S)
        if not done:
            slow = ", ".join(str(node) for node, peer in sorted(nodes.items()) if not peer.finished)
            raise Failure(
                contract.EXIT_NODE_LOST, f"node(s) {slow} did not send their outputs in {FINISH_TIMEOUT_S:g} s"
            )
        if self._failure:
            raise self._failure

    def _address_of(self, node: int) -> str:
        return self._address if node == self._place.node else self._nodes[node].address

    # ------------------------------------------------------------------------------------------------- the nodes

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        peer = Peer(Channel(sock))
        self._supervisor.watch(sock, lambda: self._hear(peer))
        self._tell(peer, {"challenge": peer.challenge})

    def _tell(self, peer: Peer, message: Message) -> None:
        try:
            peer.channel.send(message)
        except Lost as reason:
            self._lose(peer, reason)

    def _hear(self, peer: Peer) -> None:
        try:
            for message in peer.channel.receive():
                if peer.node is None:
                    self._register(peer, message)
                else:
                    self._obey(peer, message)
        except Lost as reason:
            self._lose(peer, reason)

    def _register(self, peer: Peer, message: Message) -> None:
        node, address = message.get("node"), str(message.get("address"))
        role = f"node {node} at {address}"
        others = set(range(self._place.nodes)) - {self._place.node}
        if not protocol.proves(message.get("proof"), self._token, role, peer.challenge) or node not in others:
            raise Lost("it does not know the token")
        if node in self._nodes:
            raise Lost(f"node {node} has registered before")
        peer.node, peer.address = int(node), address
        self._nodes[peer.node] = peer
        answer = protocol.proof(self._token, "main", str(message.get("challenge")))
        self._tell(peer, {"proof": answer})

    def _obey(self, peer: Peer, message: Message) -> None:
        if "failed" in message:
            self._fail(peer, int(message["exit_code"]), str(message["failed"]))
        if "ended" in message:
            self._answer_agent(int(message["ended"]), {"exit_code": int(message["exit_code"])})
        peer.ready = peer.ready or "ready" in message
        peer.finished = peer.finished or "finished" in message

    def _lose(self, peer: Peer, reason: Lost) -> None:
        self._supervisor.forget(peer.channel.sock)
        if peer.node is None:
            say(f"turned away a connection that is no node of this job: {reason}")
        elif not peer.finished:
            self._fail(peer, contract.EXIT_NODE_LOST, f"lost ({reason}); the job ends, look at that node's log")

    def _fail(self, peer: Peer, exit_code: int, why: str) -> None:
        """End the command because of a node, or keep the reason if it has ended; nobody waits for that node."""
        peer.finished = True
        failure = Failure(exit_code, f"node {peer.node} at {peer.address}: {why}")
        if not self._ended:
            raise failure
        self._failure = self._failure or failure

    # ------------------------------------------------------------------------------------------------ the agents

    def _accept_agent(self) -> None:
        sock, _ = self._agents.accept()
        user = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
        if user != os.geteuid():
            sock.close()
            return
        channel = Channel(sock)
        self._supervisor.watch(sock, lambda: self._hear_agent(channel))

    def _hear_agent(self, channel: Channel) -> None:
        try:
            for message in channel.receive():
                self._launch(channel, str(message.get("host")), str(message.get("command")))
        except Lost:
            self._supervisor.forget(channel.sock)

    def _launch(self, channel: Channel, host: str, command: str) -> None:
        number = next(self._launch_numbers)
        self._launches[number] = channel
        node = next((node for node in range(self._place.nodes) if self._address_of(node) == host), None)
        if node is None:
            self._answer_agent(number, {"error": f"no node of this job; ${contract.ENV_HOSTFILE} names them"})
        elif node == self._place.node:
            ended: Callable[[int], None] = lambda code: self._answer_agent(number, {"exit_code": code})  # noqa: E731
            self._supervisor.start(["/bin/sh", "-c", command], self._env, ended)
        else:
            self._tell(self._nodes[node], {"start": number, "command": command})

    def _answer_agent(self, number: int, answer: Message) -> None:
        channel = self._launches.pop(number, None)
        if channel is None:
            return
        try:
            channel.send(answer)
        except Lost:  # mpirun has ended its agents
            self._supervisor.forget(channel.sock)
