"""Files that an instance provides to its jobs, in the folder of `ENV_HOST`."""

from __future__ import annotations

HOST_INSTANCE = "instance.json"
"""An `Instance`. It may be missing for some seconds after the first job's start."""
HOST_SPOT_NOTICE = "spot-notice"
"""EC2's interruption notice, two minutes before it reclaims a Spot Instance, as in
`{"action": "terminate", "time": "2026-11-22T08:22:00Z"}`; missing until then
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html)."""
