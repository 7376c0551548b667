"""podman with storage shared by the local clouds of this checkout, and the limits that it can set."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

from localcloud.runtimes import podman_config as settings

FOLDER = Path(__file__).resolve().parents[2] / ".local" / "localcloud"
"""Images stay in it from one local cloud to the next; containers do not. Images are pulled into it, never built."""
CAP_SYS_RESOURCE = 24
ULIMITS = {"nofile": (32768, 65536), "nproc": (4096, 4096)}
"""Defaults for definitions without ulimits: open files as in the ECS-optimized image
(https://github.com/aws/amazon-ecs-ami), processes as podman itself is limited here."""


def missing() -> str | None:
    """Return a message about what this machine lacks for containers, or None."""
    lack = [*([] if os.geteuid() == 0 else ["root"]), *settings.missing()]
    return f"containers need {', '.join(lack)}: `make test-tools`, as root on Debian" if lack else None


def limit(name: str, soft: int, hard: int) -> tuple[int, int]:
    """Cap a ulimit at what this machine allows: without CAP_SYS_RESOURCE none can exceed ours."""
    own = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1]
    if own == resource.RLIM_INFINITY or _capabilities() >> CAP_SYS_RESOURCE & 1:
        return soft, hard
    lower_soft, lower_hard = (own if value == resource.RLIM_INFINITY else min(own, value) for value in (soft, hard))
    return lower_soft, lower_hard


def _capabilities() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))


def environment() -> dict[str, str]:
    """Return podman's complete environment."""
    own = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return own | settings.environment(FOLDER)


def podman(*arguments: str) -> str:
    """Run podman and return its output.

    Raises:
        OSError: it failed; the text is its error output.
    """
    ended = subprocess.run(["podman", *arguments], env=environment(), capture_output=True, text=True, check=False)
    if ended.returncode:
        raise OSError(ended.stderr.strip())
    return ended.stdout.strip()


def remove_containers(url: str) -> None:
    """Remove all containers of the local cloud at a URL, running or not."""
    found = podman("ps", "--all", "--quiet", "--filter", f"label=localcloud={url}").split()
    if found:
        podman("rm", "--force", "--time", "0", "--volumes", *found)


def last_line(text: str) -> str:
    """Return podman's error message, which follows its warnings."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("Error: ") if lines else "podman said nothing"
