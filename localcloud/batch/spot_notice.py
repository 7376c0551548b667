"""The interruption notice of a Spot instance in /run/hpc, written on AWS by the host service of the launch template.

The local cloud runs no user data, so the notice that EC2 gives two minutes before the interruption is the only file
there (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

PATH = "/run/hpc"
NOTICE_S = 120


def announce_end(folder: Path, seconds: float) -> None:
    """Write, atomically, the notice that the instance ends in `seconds`."""
    time = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    new = folder / ".spot-notice"
    new.write_text(json.dumps({"action": "terminate", "time": time}))
    new.chmod(0o644)
    new.replace(folder / "spot-notice")
