"""Values of `--signal`, in Slurm's syntax: `USR1@60` is SIGUSR1, 60 seconds before the end."""

from __future__ import annotations

import re
import signal

from hpc.contract.run_request import Signal

DEFAULT_BEFORE_S = 60
"""Slurm's default (https://slurm.schedmd.com/sbatch.html#OPT_signal)."""
LONGEST_BEFORE_S = 65535
_FORM = re.compile(r"(?:SIG)?([A-Z][A-Z0-9]*)(?:@([0-9]{1,5}))?")
_NOT_CAUGHT = {"KILL", "STOP"}


def parse(text: str) -> Signal:
    """Parse a signal, and the seconds before the end at which it is sent.

    Raises:
        ValueError: the text is not a signal; the message states what is allowed.
    """
    match = _FORM.fullmatch(text.upper())
    if not match or f"SIG{match[1]}" not in signal.Signals.__members__ or match[1] in _NOT_CAUGHT:
        raise ValueError(
            f"{text!r}: write SIGNAL or SIGNAL@SECONDS, as in USR1@60; the signal must be one that can be caught"
        )
    before_s = int(match[2] or DEFAULT_BEFORE_S)
    if not 1 <= before_s <= LONGEST_BEFORE_S:
        raise ValueError(f"{text!r}: 1 to {LONGEST_BEFORE_S:,} seconds are allowed")
    return Signal(name=f"SIG{match[1]}", before_s=before_s)
