"""Time until a multi-node job's command runs, and duration of an mpirun in it: hpc-node compared with an ssh script.

python -m benchmarks.wireup [--rounds 5] [--nodes 2,4,8,16]: `make bench-wireup`, as root on Debian.

Both start on all nodes at once, in network namespaces of this machine. The script has an easier task: it is given all
addresses and existing keys, and neither S3 nor the run's request is involved. It starts sshd on every node, reads the
host keys and logs in on each node once, all concurrently. stdout: JSON; stderr: medians and ratios.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from pathlib import Path

import click

from benchmarks.nodes import BIN, TIMEOUT_S, Nodes, in_namespaces

SSHD = Path(__file__).parents[1] / ".local" / "sshd"
"""Where `make` unpacks Debian's openssh-server without installing it."""
START_SSHD = """
mount --bind {folder}/passwd /etc/passwd
mount -t tmpfs none /run
mkdir /run/sshd
exec {sshd} -D -e -f {folder}/sshd_config -o ListenAddress={address} 2> {folder}/sshd-{number}.log
"""
WIRE_UP = """
while [ $(ssh-keyscan -t ed25519 {others} 2> /dev/null | tee {folder}/known_hosts | wc -l) -lt {count} ]; do
  sleep 0.02
done
for other in {others}; do
  {ssh} $other true &
done
wait
"""
RANK_S = 0.2
"""Run time of a rank: Open MPI's launcher misses the end of some that end at once (docs/not-proven.md)."""
TIMED = f"date +%s.%N; mpirun -np {{count}} --map-by ppr:1:node --bind-to none sleep {RANK_S}; date +%s.%N"


def through_hpc_node(nodes: Nodes, count: int) -> tuple[float, float]:
    """Return the seconds until the command started, and those of the mpirun in it."""
    started = time.time()
    said = nodes.hpc_node(count, "bash", "-c", TIMED.format(count=count))
    return _seconds(said, started)


def through_ssh(nodes: Nodes, count: int) -> tuple[float, float]:
    """Return the same for the ssh script."""
    folder = nodes.folder
    ssh = f"ssh -q -i {folder}/key -o UserKnownHostsFile={folder}/known_hosts -o StrictHostKeyChecking=yes"
    others = " ".join(nodes.addresses[1:count])
    script = WIRE_UP.format(folder=folder, ssh=ssh, others=others, count=count - 1) + TIMED.format(count=count)
    started = time.time()
    daemons = [_start_sshd(nodes, number) for number in range(1, count)]
    try:
        (folder / "ssh-hosts").write_text("".join(f"{address} slots=1\n" for address in nodes.addresses[:count]))
        variables = {
            "PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(folder), "PRTE_MCA_plm_ssh_agent": ssh,
            "PRTE_MCA_prte_default_hostfile": f"{folder}/ssh-hosts", "PRTE_MCA_plm_ssh_no_tree_spawn": "1",
            **{f"{name}_ALLOW_RUN_AS_ROOT{end}": "1" for name in ("OMPI", "PRTE") for end in ("", "_CONFIRM")},
        }  # fmt: skip
        argv = [*nodes.enter[0], "bash", "-c", script]
        done = subprocess.run(argv, env=variables, check=True, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_S)
    finally:
        for daemon in daemons:
            daemon.terminate()
            daemon.wait(10)
    return _seconds(done.stdout, started)


def _seconds(said: str, started: float) -> tuple[float, float]:
    first, last = map(float, said.split())
    return first - started, last - first - RANK_S


def _start_sshd(nodes: Nodes, number: int) -> subprocess.Popen[bytes]:
    sshd, address = SSHD / "usr/sbin/sshd", nodes.addresses[number]
    script = START_SSHD.format(folder=nodes.folder, sshd=sshd, address=address, number=number)
    libraries = next(SSHD.glob("usr/lib/*-linux-gnu"))
    env = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(libraries)}
    return subprocess.Popen([*nodes.enter[number], "sh", "-e", "-c", script], env=env)


def make_keys(folder: Path) -> None:
    """Create the keys and the configuration of every ssh node."""
    for name in ("key", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    # A home without shell settings, which every login would read.
    users = f"root:x:0:0::{folder}:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n"
    (folder / "passwd").write_text(users)
    settings = {
        "HostKey": folder / "host_key", "AuthorizedKeysFile": folder / "key.pub", "StrictModes": "no",
        "PermitRootLogin": "yes", "UsePAM": "no", "PidFile": "none", "MaxStartups": "200",
    }  # fmt: skip
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--nodes", "counts", default="2,4,8,16", show_default=True)
def main(rounds: int, counts: str) -> None:
    """Measure the start of multi-node jobs."""
    sizes = [int(count) for count in counts.split(",")]
    found: dict[int, dict[str, list[tuple[float, float]]]] = {}
    with in_namespaces(max(sizes)) as nodes:
        make_keys(nodes.folder)
        for count in sizes:
            for _ in range(rounds):
                for name, run in (("hpc-node", through_hpc_node), ("ssh", through_ssh)):
                    found.setdefault(count, {}).setdefault(name, []).append(run(nodes, count))
            _report(count, found[count])
    click.echo(json.dumps({"rounds": rounds, "load": os.getloadavg(), "seconds": found}))


def _report(count: int, times: dict[str, list[tuple[float, float]]]) -> None:
    for index, what in enumerate(("until the command starts", "mpirun")):
        ours, theirs = (statistics.median(pair[index] for pair in times[name]) for name in ("hpc-node", "ssh"))
        click.echo(f"{count:3} nodes, {what:24} {ours:6.2f} s, ssh {theirs:6.2f} s: {ours / theirs:5.2f}", err=True)


if __name__ == "__main__":
    main()
