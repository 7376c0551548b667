"""Nodes for multi-node benchmarks: network namespaces of this machine, or running containers."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import boto3

from hpc.contract.s3_keys import RunPaths
from localcloud.runtimes import podman_config
from localcloud.session import LocalCloud
from tools.namespaces import Hosts

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[1]
BUCKET = "data"
TIMEOUT_S = 60
AGENT = """#!/bin/bash
while [[ $1 == -* ]]; do shift; done
host=$1; shift
case $host in
{cases}
esac
"""


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """`enter[k]` is the command prefix that runs a command on node k and its core. S3 is at `s3` on the nodes and at
    `s3_here` in this process; `programs` is the nodes' folder of Python and MPI programs."""

    enter: tuple[tuple[str, ...], ...]
    addresses: tuple[str, ...]
    s3: str
    s3_here: str
    folder: Path
    """Shared by all nodes under the same path."""
    programs: Path = BIN

    def hpc_node(self, count: int, *command: str, **environment: str) -> str:
        """Run a multi-node job on the first `count` nodes; return the output of its command."""
        run_id = f"20261122-000000-{secrets.token_hex(3)}"
        asked = {
            "version": "1.1", "run_id": run_id, "project": "default", "kind": "multi-node", "tasks": None,
            "nodes": count, "vcpus": 1, "parts": [{"offset": 0, "size": 1}], "environment": environment,
        }  # fmt: skip
        s3 = boto3.client(
            "s3",
            endpoint_url=self.s3_here,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - the local cloud takes any
        )
        with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket=BUCKET)
        key = RunPaths(project="default", run_id=run_id).request
        s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(asked).encode())
        started = [self._start(node, count, run_id, command) for node in range(count)]
        try:
            outputs = [process.communicate(timeout=TIMEOUT_S) for process in started]
        finally:
            for process in started:
                process.kill()
        if any(process.returncode for process in started):
            raise RuntimeError(f"the job failed:\n{''.join(err for _, err in outputs)}")
        return outputs[0][0]

    def _start(self, node: int, count: int, run_id: str, command: Sequence[str]) -> subprocess.Popen[str]:
        variables = {
            "PATH": f"{self.programs}:/usr/bin:/bin", "HOME": str(self.folder), "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": self.s3,
            "AWS_BATCH_JOB_ID": f"job#{node}", "AWS_BATCH_JOB_NODE_INDEX": str(node),
            "AWS_BATCH_JOB_NUM_NODES": str(count), "HPC_BUCKET": BUCKET, "HPC_PROJECT": "default",
            "HPC_RUN_ID": run_id, "HPC_SCRATCH": str(self.folder),
        }  # fmt: skip
        assignments = [f"{name}={value}" for name, value in variables.items()]
        argv = [*self.enter[node], "env", "-i", *assignments, str(self.programs / "hpc-node"), *command]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def plain(self, count: int, *command: str, **environment: str) -> str:
        """Run a command on the first node, with an `mpirun` that spans the first `count` nodes without hpc-node."""
        agent, hostfile = self.folder / "plain-agent", self.folder / "plain-hosts"
        cases = (
            f'{address}) exec {shlex.join(self.enter[node])} sh -c "$*";;'
            for node, address in enumerate(self.addresses)
        )
        agent.write_text(AGENT.format(cases="\n".join(cases)))
        agent.chmod(0o755)
        hostfile.write_text("".join(f"{address} slots=1\n" for address in self.addresses[:count]))
        variables = {
            "PATH": f"{self.programs}:/usr/bin:/bin", "HOME": str(self.folder), "PRTE_MCA_plm_ssh_agent": str(agent),
            "PRTE_MCA_prte_default_hostfile": str(hostfile), "PRTE_MCA_plm_ssh_no_tree_spawn": "1",
            **{f"{name}_ALLOW_RUN_AS_ROOT{end}": "1" for name in ("OMPI", "PRTE") for end in ("", "_CONFIRM")},
            **environment,
        }  # fmt: skip
        assignments = [f"{name}={value}" for name, value in variables.items()]
        argv = [*self.enter[0], "env", "-i", *assignments, *command]
        return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_S).stdout


PRIORITY = -15
"""Nice value: nodes take precedence over everything else on this machine, as if each had a host to itself."""


def core(node: int) -> int:
    """Return the core of a node."""
    return node % (os.cpu_count() or 1)


@contextlib.contextmanager
def _hosts(count: int) -> Iterator[tuple[Path, Hosts, str, str]]:
    """Yield a folder, hosts, and the URLs of S3 for them and for this process. Needs root."""
    with (
        tempfile.TemporaryDirectory(prefix="hpc-bench-") as name,
        LocalCloud(Path(name, "cloud"), "--executor", "null") as cloud,
        Hosts(count) as hosts,
    ):
        yield Path(name), hosts, hosts.relay(int(cloud.url.rpartition(":")[2])), cloud.url


@contextlib.contextmanager
def in_namespaces(count: int) -> Iterator[Nodes]:
    """Yield nodes that are network namespaces, each with an address. Needs root."""
    with _hosts(count) as (folder, hosts, s3, s3_here):
        pinned = (("nice", "-n", str(PRIORITY), "taskset", "-c", str(core(node))) for node in range(count))
        enter = tuple((*hosts.on(node), *words) for node, words in enumerate(pinned))
        addresses = tuple(map(hosts.address, range(count)))
        yield Nodes(enter=enter, addresses=addresses, s3=s3, s3_here=s3_here, folder=folder)


# ---------------------------------------------------------------------------------------------------- containers

FIRST_PROCESS = 'exec 3<> "$0"; while IFS= read -r line <&3; do eval "$line" & done'
"""Runs each line that is written to a pipe."""
RUN_ON = """#!/bin/bash
# run-on NODE WORDS...: run a command in a container; pass on its output, errors and exit code.
node=$1; shift
answer=$(mktemp --dry-run {folder}/answer-XXXXXXXX)
mkfifo -m 666 "$answer".out "$answer".err "$answer".code
printf '(%s) < /dev/null > %s.out 2> %s.err; echo $? > %s.code\n' "$(printf '%q ' "$@")" $answer $answer $answer \
  > {folder}/lines-"$node"
cat "$answer".err >&2 &
cat "$answer".out
wait
exit "$(cat "$answer".code)"
"""


@contextlib.contextmanager
def in_containers(count: int) -> Iterator[Nodes]:
    """Yield nodes that are containers of the job image, each with an address; commands run as the image's user. Needs
    root and podman."""
    env = os.environ | podman_config.environment(ROOT / ".local" / "podman")
    make = ["make", "--silent", "image", "BASE=bootstrap"]
    image = subprocess.run(make, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    with _hosts(count) as (folder, hosts, s3, s3_here), contextlib.ExitStack() as closing:
        folder.chmod(0o777)
        run_on = folder / "run-on"
        run_on.write_text(RUN_ON.format(folder=folder))
        run_on.chmod(0o755)
        for node in range(count):
            lines = folder / f"lines-{node}"
            os.mkfifo(lines)
            lines.chmod(0o666)
            name = f"{folder.name}-{node}"
            closing.callback(subprocess.run, ["podman", "rm", "--force", "--time", "0", name], env=env, stdout=2)
            subprocess.run(
                ["podman", "run", "--detach", "--name", name, "--network", f"ns:{hosts.namespace(node)}",
                 "--hostname", f"node-{node}", "--pids-limit", "-1", "--volume", f"{folder}:{folder}",
                 "--entrypoint", "bash", image, "-c", FIRST_PROCESS, str(lines)],
                env=env, check=True, stdout=2,
            )  # fmt: skip
            asked = ["podman", "inspect", "--format", "{{.State.Pid}}", name]
            pid = int(subprocess.run(asked, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout)
            os.setpriority(os.PRIO_PROCESS, pid, PRIORITY)
            os.sched_setaffinity(pid, {core(node)})
        yield Nodes(
            enter=tuple((str(run_on), str(node)) for node in range(count)),
            addresses=tuple(map(hosts.address, range(count))),
            s3=s3, s3_here=s3_here, folder=folder, programs=Path("/opt/hpc/bin"),
        )  # fmt: skip
