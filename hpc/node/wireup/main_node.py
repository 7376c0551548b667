"""Main node of a multi-node job: gathers the other nodes, monitors them, and starts MPI's daemons on them."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hpc.contract import exit_codes, variables
from hpc.contract.rendezvous import AbsenceNote, RendezvousNote
from hpc.node.failure import Failure, say
from hpc.node.job_context import JobContext
from hpc.node.s3.client import S3, S3Error
from hpc.node.supervisor import Supervisor
from hpc.node.wireup import mpi, reachability, torch_env
from hpc.node.wireup.channel import Channel, Message, PeerLost, nonce, proof, proves
from hpc.node.wireup.heartbeat import Heartbeat
from hpc.node.wireup.launch_requests import LaunchRequests

FINISH_TIMEOUT_S = 900.0
"""Seconds that the main node waits for the outputs of the others after the command has ended."""
NOTES_SHARE = 0.025
"""Share of the rendezvous time-out between two checks for notes of missing nodes in S3."""
PAIRS_NAMED = 5
"""Maximum number of unreachable pairs in a message."""


@dataclass
class Peer:
    """An incoming connection; it becomes a node once it has proved that it knows the token."""

    channel: Channel
    challenge: str = field(default_factory=nonce)
    node: int | None = None
    address: str = ""
    port: int = 0
    """Port on which it listens for the connection tests of other nodes."""
    ready: bool = False
    efa: bool = False
    unreached: dict[int, str] = field(default_factory=dict[int, str])
    """Error by node that it could not reach."""
    running: int | None = None
    """Number of the command that runs on every node; None if it does not run or has ended with 0."""
    finished: bool = False


class MainNode:
    """The main node. Usage, in this order: `announce`, `gather`, `wait_ready`, `environment`, the command,
    `command_ended`, `release`, `finish`.

    Until `command_ended`, the supervisor's `turn` raises Failure if a node is lost or cannot continue.
    """

    def __init__(self, context: JobContext, address: str, supervisor: Supervisor, beat_s: float) -> None:
        self._context = context
        self._address = address
        self._supervisor = supervisor
        self._token = secrets.token_hex(32)
        self._nodes: dict[int, Peer] = {}
        self._ended = False
        self._failure: Failure | None = None
        self._launches = LaunchRequests(supervisor, self._start_daemon)
        self._env: dict[str, str] = {}
        self._beat_s = beat_s
        self._listener = reachability.listen(address, context.nodes)
        supervisor.watch(self._listener, self._accept)
        Heartbeat(supervisor, beat_s, self._channels, self._is_silent)

    def announce(self, s3: S3) -> None:
        """Write this node's address to S3.

        Raises:
            Failure: S3 refuses the write.
        """
        port = self._listener.getsockname()[1]
        self._leave_note(
            s3, RendezvousNote(job_id=self._context.job_id, address=self._address, port=port, token=self._token)
        )

    def give_up(self, s3: S3, reason: str) -> None:
        """Tell all nodes, including those that have not registered yet, that the job ends."""
        self._ended = True
        for peer in self._nodes.values():
            self._send(peer, {"gave_up": reason})
        with contextlib.suppress(Failure):  # nodes that have not registered give up at their deadline
            self._leave_note(s3, RendezvousNote(job_id=self._context.job_id, ended=reason))

    def _leave_note(self, s3: S3, note: RendezvousNote) -> None:
        key = self._context.paths.rendezvous(self._context.part, self._context.attempt)
        try:
            s3.put(self._context.bucket, key, note.to_bytes())
        except S3Error as error:
            raise Failure(exit_codes.RENDEZVOUS, f"cannot announce the main node: {error}") from error

    def gather(self, s3: S3, timeout_s: float) -> None:
        """Wait until every other node has registered, then let them test the connections to each other.

        Raises:
            Failure: some nodes did not register in time, or a node reported through S3 that it cannot join.
        """
        deadline = time.monotonic() + timeout_s
        while not self._supervisor.turn_until(
            lambda: not self._missing(), min(NOTES_SHARE * timeout_s, max(0.0, deadline - time.monotonic()))
        ):
            self._read_absence_notes(s3)
            if time.monotonic() >= deadline:
                missing = ", ".join(map(str, self._missing()))
                raise Failure(
                    exit_codes.RENDEZVOUS,
                    f"node(s) {missing} of {self._context.nodes} did not register at {self._address} within"
                    f" {timeout_s:g} s; check their logs, then capacity and the network: {reachability.advice()}",
                )
        self._supervisor.forget(self._listener)
        for node, peer in self._nodes.items():
            others = [other for other in reachability.tried_by(node, self._context.nodes) if other in self._nodes]
            reach = {other: (self._nodes[other].address, self._nodes[other].port) for other in others}
            self._send(peer, {"reach": reach})

    def _missing(self) -> list[int]:
        return [node for node in range(self._context.nodes) if node not in {*self._nodes, self._context.node}]

    def _read_absence_notes(self, s3: S3) -> None:
        """Raise Failure if a missing node of this job reported through S3 why it cannot join."""
        bucket, part, attempt = self._context.bucket, self._context.part, self._context.attempt
        absence: AbsenceNote | None = None
        with contextlib.suppress(S3Error, ValueError, KeyError, TypeError):
            prefix = self._context.paths.rendezvous(part, attempt).removesuffix(".json")
            keys = {listed.key for listed in s3.list(bucket, prefix)}
            for node in self._missing():
                if (key := self._context.paths.rendezvous(part, attempt, node)) in keys:
                    note = AbsenceNote.from_bytes(s3.get(bucket, key))
                    absence = note if note.job_id == self._context.job_id else absence
        if absence:
            raise Failure(absence.exit_code, f"node {absence.node} does not come: {absence.failed}")

    def wait_ready(self) -> None:
        """Wait until every node has fetched its inputs and tested the connections to the others.

        Raises:
            Failure: a node cannot continue, is lost, or cannot reach another; the message names the nodes.
        """
        own = reachability.unreached({node: (peer.address, peer.port) for node, peer in self._nodes.items()})
        peers = self._nodes.values()
        self._supervisor.turn_until(lambda: bool(own) or all(p.ready for p in peers) or any(p.unreached for p in peers))
        self._supervisor.turn_until(  # so that the message names all unreachable pairs
            lambda: all(p.ready for p in peers), reachability.TIMEOUT_S
        )
        by_node = {self._context.node: own, **{node: peer.unreached for node, peer in sorted(self._nodes.items())}}
        pairs = [
            f"node {node} at {self._address_of(node)} cannot connect to node {other} at {self._address_of(other)} "
            f"port {self._nodes[other].port}: {why}"
            for node, unreached in by_node.items()
            for other, why in unreached.items()
        ]
        if pairs:
            more = f"; and {len(pairs) - PAIRS_NAMED} more pairs" if len(pairs) > PAIRS_NAMED else ""
            raise Failure(exit_codes.RENDEZVOUS, f"{'; '.join(pairs[:PAIRS_NAMED])}{more}. {reachability.advice()}")

    @property
    def all_have_efa(self) -> bool:
        """True if every other node has reported that it can use EFA."""
        return all(peer.efa for peer in self._nodes.values())

    def environment(self, slots: int, folder: Path, env: dict[str, str], fabric: Mapping[str, str]) -> dict[str, str]:
        """Send every node the common variables; return those of the command: `env`, and the variables with which
        `mpirun` spans the nodes.

        Args:
            fabric: the variables with which MPI uses EFA or TCP.
        """
        addresses = [self._address_of(node) for node in range(self._context.nodes)]
        here = mpi.Machine.here()
        common = mpi.on_every_node(here.interfaces, self._address)
        common |= {**torch_env.meeting_point(self._address), **fabric}
        if "OMPI_MCA_btl_tcp_if_include" in env:  # Open MPI accepts only one of the two
            common.pop("OMPI_MCA_btl_tcp_if_exclude", None)
        for peer in self._nodes.values():
            self._send(peer, {"env": common})
        pure = env.get("OMP_NUM_THREADS", "1") == "1"
        launch = mpi.environment(addresses, self._address, slots, folder, self._launches.name, here, pure=pure)
        self._env = {**mpi.root_settings(), **common, **env}
        return {**launch, **self._env}

    def start_everywhere(self, argv: Sequence[str], env: dict[str, str]) -> dict[str, str]:
        """Start the command on every other node; return the variables of the command on this node.

        From here on, the supervisor's `turn` raises Failure with a node's exit code if its command fails.
        """
        for node, peer in self._nodes.items():
            peer.running = self._launches.next_number()
            context = torch_env.one_process_each(node, self._context.nodes)
            self._send(peer, {"start": peer.running, "argv": list(argv), "env": context})
        return {**torch_env.one_process_each(self._context.node, self._context.nodes), **env}

    def await_commands(self) -> None:
        """Wait until the command has ended on all other nodes; raise Failure if it fails on one."""
        self._supervisor.turn_until(lambda: all(peer.running is None for peer in self._nodes.values()))

    def command_ended(self) -> None:
        """Start no more MPI daemons; from here on, failures of nodes are deferred to `finish`."""
        self._ended = True
        self._supervisor.forget(self._listener)
        self._launches.stop()

    def release(self) -> None:
        """Tell the nodes that the command has ended, so that they end their processes and store their outputs."""
        for peer in self._nodes.values():
            self._send(peer, {"finish": True})

    def finish(self) -> None:
        """Wait until the nodes have stored their outputs.

        Raises:
            Failure: a node was lost, or could not store its outputs.
        """
        nodes = self._nodes
        done = self._supervisor.turn_until(lambda: all(peer.finished for peer in nodes.values()), FINISH_TIMEOUT_S)
        if not done:
            slow = ", ".join(str(node) for node, peer in sorted(nodes.items()) if not peer.finished)
            raise Failure(
                exit_codes.NODE_LOST,
                f"node(s) {slow} did not store their outputs within {FINISH_TIMEOUT_S:g} s; check their logs",
            )
        if self._failure:
            raise self._failure

    def _address_of(self, node: int) -> str:
        return self._address if node == self._context.node else self._nodes[node].address

    # ------------------------------------------------------------------------------------------------- the nodes

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        peer = Peer(Channel(sock))
        self._supervisor.watch(sock, lambda: self._receive(peer))
        self._send(peer, {"challenge": peer.challenge})

    def _send(self, peer: Peer, message: Message) -> None:
        try:
            peer.channel.send(message)
        except PeerLost as reason:
            self._lose(peer, reason)

    def _receive(self, peer: Peer) -> None:
        try:
            for message in peer.channel.receive():
                if peer.node is None:
                    self._register(peer, message)
                else:
                    self._handle(peer, message)
        except PeerLost as reason:
            self._lose(peer, reason)

    def _register(self, peer: Peer, message: Message) -> None:
        node, address = message.get("node"), str(message.get("address"))
        role = f"node {node} at {address}"
        others = set(range(self._context.nodes)) - {self._context.node}
        if not proves(message.get("proof"), self._token, role, peer.challenge) or node not in others:
            raise PeerLost("it does not know the token")
        if node in self._nodes:
            raise PeerLost(f"node {node} has already registered")
        peer.node, peer.address, peer.port = int(node), address, int(message["port"])
        self._nodes[peer.node] = peer
        answer = proof(self._token, "main", str(message.get("challenge")))
        self._send(peer, {"proof": answer, "beat_s": self._beat_s})

    def _handle(self, peer: Peer, message: Message) -> None:
        if "failed" in message:
            self._fail(peer, int(message["exit_code"]), str(message["failed"]))
        if "ended" in message:
            self._command_or_daemon_ended(peer, int(message["ended"]), int(message["exit_code"]))
        if "ready" in message:
            peer.ready, peer.efa = True, bool(message["efa"])
            peer.unreached = {int(node): str(why) for node, why in message["unreached"].items()}
        peer.finished = peer.finished or "finished" in message

    def _command_or_daemon_ended(self, peer: Peer, number: int, exit_code: int) -> None:
        if number != peer.running:
            self._launches.answer(number, {"exit_code": exit_code})
            return
        peer.running = None
        if exit_code and not self._ended:
            raise Failure(
                exit_code, f"node {peer.node} at {peer.address}: the command ended with exit code {exit_code}"
            )

    def _channels(self) -> list[Channel]:
        return [peer.channel for peer in self._nodes.values() if not peer.finished]

    def _is_silent(self, channel: Channel, reason: str) -> None:
        for peer in self._nodes.values():
            if peer.channel is channel:
                self._lose(peer, PeerLost(reason))

    def _lose(self, peer: Peer, reason: PeerLost) -> None:
        self._supervisor.forget(peer.channel.sock)
        if peer.node is None:
            say(f"turned away a connection that is no node of this job: {reason}")
        elif not peer.finished:
            self._fail(peer, exit_codes.NODE_LOST, f"lost ({reason}); the job ends, check that node's log")

    def _fail(self, peer: Peer, exit_code: int, why: str) -> None:
        """Raise Failure because of a node, or record it if the command has ended; stop waiting for that node."""
        peer.finished = True
        failure = Failure(exit_code, f"node {peer.node} at {peer.address}: {why}")
        if not self._ended:
            raise failure
        self._failure = self._failure or failure

    # ----------------------------------------------------------------------------------------------- MPI's daemons

    def _start_daemon(self, number: int, host: str, command: str) -> None:
        node = next((node for node in range(self._context.nodes) if self._address_of(node) == host), None)
        if node is None:
            self._launches.answer(
                number, {"error": f"not a node of this job; use the hosts in ${variables.ENV_HOSTFILE}"}
            )
        elif node == self._context.node:
            ended: Callable[[int], None] = lambda code: self._launches.answer(number, {"exit_code": code})  # noqa: E731
            self._supervisor.start(["/bin/sh", "-c", command], self._env, ended)
        else:
            self._send(self._nodes[node], {"start": number, "command": command})
