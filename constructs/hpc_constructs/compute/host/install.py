"""What runs on every instance besides the ECS agent: the files beside this module, installed by user data.

The ECS agent starts after cloud-init is through with user data
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/bootstrap_container_instance.html), so it finds all of it.
"""

from __future__ import annotations

from pathlib import Path

SOURCE = Path(__file__).parent
PLACES = {
    "hpc_host.py": "/usr/local/lib/hpc/hpc_host.py",
    "close-imds": "/usr/local/lib/hpc/close-imds",
    "hpc-host.service": "/etc/systemd/system/hpc-host.service",
    "ecs.conf": "/etc/systemd/system/ecs.service.d/hpc.conf",
}
"""Where each file goes."""


def install_script() -> str:
    """Return the shell lines that put the files in their places and start the service."""
    folders = sorted({str(Path(place).parent) for place in PLACES.values()})
    lines = [f"mkdir -p {' '.join(folders)}"]
    for name, place in PLACES.items():
        lines.append(f"cat > {place} <<'END'\n{(SOURCE / name).read_text(encoding='utf-8')}END")
    lines += ["systemctl daemon-reload", "systemctl enable --now hpc-host.service"]
    return "\n".join(lines) + "\n"
