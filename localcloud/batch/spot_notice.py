"""What an instance tells its containers in /run/hpc, where the root service of the launch template writes it.

The local cloud launches no instance and runs no user data: of all that the service writes it has the notice alone that
EC2 gives two minutes before it takes a Spot instance back
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

PATH = "/run/hpc"
NOTICE_S = 120


def announce_end(folder: Path, seconds: float) -> None:
    """Leave the notice that the instance ends then; a reader finds the whole of it or none."""
    time = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    new = folder / ".spot-notice"
    new.write_text(json.dumps({"action": "terminate", "time": time}))
    new.chmod(0o644)
    new.replace(folder / "spot-notice")
