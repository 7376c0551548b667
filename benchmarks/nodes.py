"""The nodes that multi-node benchmarks run on: network namespaces of this machine, or containers that run already."""

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

from hpc.contract import RunPaths
from localcloud.session import LocalCloud
from tools.namespaces import Hosts

BIN = Path(sys.executable).parent
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
    """`enter[k]` is what puts a command on node k; there it reaches S3 at `s3`. S3 from here is `s3_here`."""

    enter: tuple[tuple[str, ...], ...]
    addresses: tuple[str, ...]
    s3: str
    s3_here: str
    folder: Path
    """Seen by all nodes under the same path."""

    def hpc_node(self, count: int, *command: str, **environment: str) -> str:
        """Run a multi-node job of the first `count` nodes; return what its command printed."""
        run_id = f"20261122-000000-{secrets.token_hex(3)}"
        asked = {
            "version": "1.1", "run_id": run_id, "project": "default", "kind": "multi-node", "tasks": None,
            "nodes": count, "vcpus": 1, "parts": [{"offset": 0, "size": 1}], "environment": environment,
        }  # fmt: skip
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        s3 = boto3.client("s3", endpoint_url=self.s3_here, region_name="us-east-1", **keys)
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
            "PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(self.folder), "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": self.s3,
            "AWS_BATCH_JOB_ID": f"job#{node}", "AWS_BATCH_JOB_NODE_INDEX": str(node),
            "AWS_BATCH_JOB_NUM_NODES": str(count), "HPC_BUCKET": BUCKET, "HPC_PROJECT": "default",
            "HPC_RUN_ID": run_id, "HPC_SCRATCH": str(self.folder),
        }  # fmt: skip
        assignments = [f"{name}={value}" for name, value in variables.items()]
        argv = [*self.enter[node], "env", "-i", *assignments, *pinned(node), str(BIN / "hpc-node"), *command]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def plain(self, count: int, *command: str, **environment: str) -> str:
        """Run a command on the first node, where `mpirun` spans the first `count` without hpc-node."""
        agent, hostfile = self.folder / "plain-agent", self.folder / "plain-hosts"
        cases = (
            f'{address}) exec {shlex.join([*self.enter[node], *pinned(node)])} sh -c "$*";;'
            for node, address in enumerate(self.addresses)
        )
        agent.write_text(AGENT.format(cases="\n".join(cases)))
        agent.chmod(0o700)
        hostfile.write_text("".join(f"{address} slots=1\n" for address in self.addresses[:count]))
        variables = {
            "PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(self.folder), "PRTE_MCA_plm_ssh_agent": str(agent),
            "PRTE_MCA_prte_default_hostfile": str(hostfile), "PRTE_MCA_plm_ssh_no_tree_spawn": "1",
            **{f"{name}_ALLOW_RUN_AS_ROOT{end}": "1" for name in ("OMPI", "PRTE") for end in ("", "_CONFIRM")},
            **environment,
        }  # fmt: skip
        assignments = [f"{name}={value}" for name, value in variables.items()]
        argv = [*self.enter[0], "env", "-i", *assignments, *pinned(0), *command]
        return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_S).stdout


def pinned(node: int) -> list[str]:
    """Share the machine's cores out, before all else that it does: on hosts of their own, nodes have their own."""
    return ["nice", "-n", "-15", "taskset", "-c", str(node % (os.cpu_count() or 1))]


@contextlib.contextmanager
def in_namespaces(count: int) -> Iterator[Nodes]:
    """Yield nodes that share the kernel, each with an address of its own. Needs root."""
    with (
        tempfile.TemporaryDirectory(prefix="hpc-bench-") as name,
        LocalCloud(Path(name, "cloud"), "--executor", "null") as cloud,
        Hosts(count) as hosts,
    ):
        port = int(cloud.url.rpartition(":")[2])
        enter = tuple(tuple(hosts.on(node)) for node in range(count))
        addresses = tuple(map(hosts.address, range(count)))
        s3 = hosts.relay(port)
        yield Nodes(enter=enter, addresses=addresses, s3=s3, s3_here=cloud.url, folder=Path(name))
