"""Real processes of hpc-node in an emulated environment: S3, the task metadata endpoint, the job's variables."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from hpc.contract.s3_keys import RunPaths
from tools import namespaces

BIN = Path(sys.executable).parent
BOUND_S = 60


def eventually(condition: Callable[[], Any], what: str, timeout_s: float = BOUND_S) -> Any:
    """Wait for a condition and return its value; fail if it is not met in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout_s} s: {what}")


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the emulated S3 in a separate process; yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("ministack") / "log"
    env = {"PATH": os.environ["PATH"], "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "HOME": str(log.parent)}
    with log.open("wb") as out:
        server = subprocess.Popen([sys.executable, "-m", "ministack"], env=env, stdout=out, stderr=out)

    def answers() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    try:
        eventually(answers, f"the emulated S3 listens: {log}")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


@dataclass
class Node:
    """A running hpc-node; `wait` returns its exit code and sets `out` and `err` to its output."""

    process: subprocess.Popen[str]
    out: str = ""
    err: str = ""

    def first_line(self, timeout_s: float = BOUND_S) -> str:
        """Return the first line that it writes to stdout."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], timeout_s)[0]:
            raise subprocess.TimeoutExpired(self.process.args, timeout_s)
        return self.process.stdout.readline()

    def wait(self, timeout_s: float = BOUND_S) -> int:
        self.out, self.err = self.process.communicate(timeout=timeout_s)
        return self.process.returncode


@dataclass
class Job:
    """A run in the emulated S3, and the containers that AWS Batch would start for it."""

    endpoint: str
    metadata: str
    scratch: Path
    bucket: str = "data"
    run_id: str = field(default_factory=lambda: f"20261122-173355-{secrets.token_hex(3)}")
    request: dict[str, Any] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.paths = RunPaths(project="default", run_id=self.run_id)
        self.s3 = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        with contextlib.suppress(self.s3.exceptions.BucketAlreadyOwnedByYou):
            self.s3.create_bucket(Bucket=self.bucket)

    def ask(self, **changes: Any) -> None:
        """Write request.json."""
        self.request = {
            "version": "1.0",
            "run_id": self.run_id,
            "project": "default",
            "kind": "single",
            "tasks": None,
            "nodes": None,
            "vcpus": 1,
            "inputs": [],
            "outputs": [],
            "environment": {},
            "parts": [{"offset": 0, "size": 1}],
            **changes,
        }
        self.write(self.paths.request, json.dumps(self.request))

    def write(self, key: str, text: str) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode())
        return f"s3://{self.bucket}/{key}"

    def write_rows(self, rows: list[dict[str, str]]) -> None:
        """Write the rows of the tasks and the index of their offsets."""
        lines = [json.dumps(row).encode() + b"\n" for row in rows]
        offsets = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
        self.s3.put_object(Bucket=self.bucket, Key=self.paths.tasks, Body=b"".join(lines))
        index = b"".join(struct.pack("<Q", offset) for offset in offsets)
        self.s3.put_object(Bucket=self.bucket, Key=self.paths.tasks_index, Body=index)

    def read(self, key: str) -> str:
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode()

    def keys(self, prefix: str) -> list[str]:
        listing = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=self.paths.prefix + prefix)
        return [item["Key"].removeprefix(self.paths.prefix) for item in listing.get("Contents", [])]

    def status(self, index: int = 0) -> dict[str, Any]:
        return json.loads(self.read(self.paths.status(index)))

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": f"{BIN}:/usr/bin:/bin",
            "HOME": str(self.scratch),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_BATCH_JOB_ID": "job-1",
            "AWS_BATCH_JOB_ATTEMPT": "1",
            "HPC_BUCKET": self.bucket,
            "HPC_PROJECT": "default",
            "HPC_RUN_ID": self.run_id,
            "HPC_PART": "0",
            "HPC_SCRATCH": str(self.scratch),
            **more,
        }

    def start(self, *command: str, host: Sequence[str] = (), **more: str) -> Node:
        """Start one container.

        Args:
            host: command prefix that runs it in a network namespace.
        """
        process = subprocess.Popen(
            [*host, str(BIN / "hpc-node"), *command],
            env=self.environment(**more),
            cwd=self.scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        node = Node(process)
        self.nodes.append(node)
        return node

    def start_node(self, number: int, count: int, *command: str, host: Sequence[str] = (), **more: str) -> Node:
        """Start one node of a multi-node job."""
        return self.start(
            *command,
            host=host,
            **{
                "AWS_BATCH_JOB_ID": f"job-1#{number}",
                "AWS_BATCH_JOB_NODE_INDEX": str(number),
                "AWS_BATCH_JOB_NUM_NODES": str(count),
                "AWS_BATCH_JOB_MAIN_NODE_INDEX": "0",
                "ECS_CONTAINER_METADATA_URI_V4": f"{self.metadata}/127.0.0.{number + 2}",
                **more,
            },
        )

    def start_on(self, hosts: namespaces.Hosts, *command: str, **more: str) -> dict[int, Node]:
        """Start all nodes of a multi-node job, each on a separate host."""
        url = hosts.relay(int(self.endpoint.rpartition(":")[2]))
        outside = {"AWS_ENDPOINT_URL": url, "ECS_CONTAINER_METADATA_URI_V4": "", **more}
        return {
            number: self.start_node(number, hosts.count, *command, host=hosts.on(number), **outside)
            for number in range(hosts.count)
        }

    def end(self) -> None:
        for node in self.nodes:
            if node.process.poll() is None:
                node.process.send_signal(signal.SIGKILL)
                node.process.wait(10)
            for stream in (node.process.stdout, node.process.stderr):
                if stream:
                    stream.close()


class Metadata(BaseHTTPRequestHandler):
    """The task metadata endpoint; the path of the request is the address in its response."""

    def do_GET(self) -> None:
        networks = [{"NetworkMode": "awsvpc", "IPv4Addresses": [self.path.rpartition("/")[2]]}]
        body = json.dumps({"Name": "default", "Networks": networks}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture(scope="session")
def metadata_endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v4"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def job(s3_endpoint: str, metadata_endpoint: str, tmp_path: Path) -> Iterator[Job]:
    job = Job(endpoint=s3_endpoint, metadata=metadata_endpoint, scratch=tmp_path)
    yield job
    job.end()


@pytest.fixture
def hosts() -> Iterator[namespaces.Hosts]:
    if lacking := namespaces.wanting("iptables"):
        reason = f"NOT TESTED: networks that are cut or closed; missing: {', '.join(lacking)}"
        assert namespaces.REQUIRED not in os.environ, reason
        pytest.skip(reason)
    with namespaces.Hosts(4) as hosts:
        yield hosts
