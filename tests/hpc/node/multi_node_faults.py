"""Faults of multi-node jobs and their reports; docs/multi-node.md and the tests are compared with this table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A row of the table."""

    what: str
    exit_code: int
    """Exit code of the main node, and so of the job."""
    bound: str
    """Time within which the job ends."""
    says: str
    """Text in the main node's log and in the reason of the status."""


BLOCKED = "cannot connect to"
HEARTBEAT = "50 s (5 times `HPC_HEARTBEAT_S`)"
FAULTS = {
    fault.what: fault
    for fault in (
        Fault("a node never comes", 73, "600 s (`HPC_RENDEZVOUS_TIMEOUT_S`)", "node(s) 2 of 4 did not register"),
        Fault("a node cannot even start its part", 76, "15 s after it said so", "node 2 does not come:"),
        Fault("a node does not reach the main node", 73, "90 s (0.15 of the 600)", "node 2 does not come:"),
        Fault("two nodes do not reach each other", 73, "10 s after the last is ready", BLOCKED),
        Fault("a node finds another key", 73, "600 s (`HPC_RENDEZVOUS_TIMEOUT_S`)", "it does not know the token"),
        Fault("a node does not get its input", 71, "at once", "NoSuchKey"),
        Fault("a node dies", 74, "at once", "node 2 at 127.0.0.4: lost"),
        Fault("a node hangs", 74, HEARTBEAT, "gave no sign of life"),
        Fault("a node's network is cut", 74, HEARTBEAT, "node 2 at 10.77.0.3: lost"),
        Fault("S3 refuses the announcement", 73, "at once", "cannot announce the main node"),
        Fault("S3 is slow", 0, "none: it takes longer", ""),
        Fault("EFA is required and there is none", 77, "at once", "this job requires EFA"),
        Fault("the command ends with 3", 3, "at once", "the command ended with exit code 3"),
        Fault("the command is killed", 137, "at once", "the command was ended by SIGKILL"),
        Fault("the command ends with 3 on one of all nodes", 3, "at once", "node 2 at 127.0.0.4: the command ended"),
    )
}
