"""What `--signal` asks for, in Slurm's words: `USR1@60` is SIGUSR1, 60 seconds before the end."""

from __future__ import annotations

import re
import signal

from hpc.contract.run_request import Signal

DEFAULT_BEFORE_S = 60
"""Slurm's (https://slurm.schedmd.com/sbatch.html#OPT_signal)."""
LONGEST_BEFORE_S = 65535
_FORM = re.compile(r"(?:SIG)?([A-Z][A-Z0-9]*)(?:@([0-9]{1,5}))?")
_NOT_CAUGHT = {"KILL", "STOP"}


def parse(text: str) -> Signal:
    """Return the signal, and the seconds before the end at which it is sent.

    Raises:
        ValueError: it is no signal; the message says what is allowed.
    """
    found = _FORM.fullmatch(text.upper())
    if not found or f"SIG{found[1]}" not in signal.Signals.__members__ or found[1] in _NOT_CAUGHT:
        raise ValueError(f"{text!r}: write SIGNAL or SIGNAL@SECONDS, as in USR1@60, of a signal that can be caught")
    before_s = int(found[2] or DEFAULT_BEFORE_S)
    if not 1 <= before_s <= LONGEST_BEFORE_S:
        raise ValueError(f"{text!r}: 1 to {LONGEST_BEFORE_S:,} seconds are allowed")
    return Signal(name=f"SIG{found[1]}", before_s=before_s)
