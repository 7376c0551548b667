"""Staging speed of hpc-node, compared with s5cmd and `aws s3 cp --recursive` on the same server and files.

python -m benchmarks.staging [--rounds 3] [--server rclone|ministack] [--md5-alone]

Every round runs each tool once, one after the other, on 1 x 1 GiB, 1,000 x 1 MiB and 20,000 x 4 KiB, up and down;
downloads are compared with the source. Each tool is a separate process, and its start counts. The server is `rclone
serve s3` over files in memory, because the S3 of the local cloud is a single Python thread, slower than any client.
rclone computes the MD5 of an object on its first download, so one untimed download precedes the timed ones. Downloaded
objects have the CRC64NVME that S3 gives every object
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_Checksum.html), except with --md5-alone. The baseline is s5cmd,
which verifies no downloads. stdout: JSON; stderr: medians and ratios (1: as fast as s5cmd; above: faster).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

import click

from benchmarks import peers
from hpc.common.crc import Crc
from hpc.node.output_files import below
from hpc.node.s3.client import S3, Call, base64, read_all

ROOT = Path(__file__).parents[1]
KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench-bench", "AWS_REGION": "us-east-1"}
BUCKET = "data"
FETCHED = "fetched"
SETS = {"1 x 1 GiB": (1, 1 << 30), "1,000 x 1 MiB": (1000, 1 << 20), "20,000 x 4 KiB": (20_000, 4 << 10)}
TOOLS = ("s5cmd", "hpc-node", "aws s3 cp")
Times = dict[str, list[float]]
"""Seconds of each round, by tool."""
START_TIMEOUT_S = 60
IN = """import sys, pathlib
from hpc.node import staging
from hpc.node.job_context import JobContext
from hpc.contract.run_request import InputReference
from hpc.node.s3.client import S3
folder = pathlib.Path(sys.argv[2])
context = JobContext(run_id="bench", project="bench", bucket="data")
staging.stage_in(S3(), context, [(InputReference(name="IN", uri=sys.argv[1]), folder)], folder.parent)
"""
OUT = """import sys, pathlib
from hpc.node import output_files, staging
from hpc.node.s3.client import S3
folder = pathlib.Path(sys.argv[1])
_, _, prefix = sys.argv[2].removeprefix("s3://").partition("/")
files = {prefix + name: path for name, path in output_files.below(folder).items()}
staging.stage_out(S3(), "data", files, folder.parent)
"""


@contextlib.contextmanager
def rclone(folder: Path) -> Generator[str]:
    (folder / BUCKET).mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    keys = f"{KEYS['AWS_ACCESS_KEY_ID']},{KEYS['AWS_SECRET_ACCESS_KEY']}"
    command = [peers.tool("rclone"), "serve", "s3", "--auth-key", keys, "--addr", f"127.0.0.1:{port}"]
    yield from _serving([*command, "--config", os.devnull, "--vfs-cache-mode", "off", str(folder)], {}, port)


@contextlib.contextmanager
def ministack(folder: Path) -> Generator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    env = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "HOME": str(folder)}
    for url in _serving([sys.executable, "-m", "ministack"], env, port):
        subprocess.run([peers.tool("s5cmd"), "--endpoint-url", url, "mb", f"s3://{BUCKET}"], env=_env(url), check=True)
        yield url


SERVERS: dict[str, Callable[[Path], contextlib.AbstractContextManager[str]]] = {
    "rclone": rclone,
    "ministack": ministack,
}


def _serving(command: list[str], env: dict[str, str], port: int) -> Iterator[str]:
    process = subprocess.Popen(command, env=os.environ | env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise click.ClickException("the server does not start")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _env(url: str) -> dict[str, str]:
    path = f"{Path(peers.tool('s5cmd')).parent}:/usr/bin:/bin"
    return {"PATH": path, "HOME": os.devnull, "AWS_ENDPOINT_URL": url, "PYTHONPATH": str(ROOT), **KEYS}


def commands(url: str, local: Path, remote: str, *, up: bool) -> dict[str, list[str]]:
    """Return each tool's command line to copy a folder."""
    endpoint = ["--endpoint-url", url]
    ours, own = (OUT, [str(local), remote]) if up else (IN, [remote, str(local)])
    s5 = [f"{local}/*", remote] if up else [f"{remote}*", f"{local}/"]
    return {
        "hpc-node": [sys.executable, "-c", ours, *own],
        "s5cmd": [peers.tool("s5cmd"), *endpoint, "cp", *s5],
        "aws s3 cp": [peers.tool("aws"), *endpoint, "s3", "cp", "--recursive", "--only-show-errors",
                      *([str(local), remote] if up else [remote, str(local)])],
    }  # fmt: skip


def fill(folder: Path, count: int, size: int) -> None:
    """Write files with distinct content."""
    block = os.urandom(1 << 20)
    for number in range(count):
        path = folder / f"{number // 1000:02}" / f"{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(number.to_bytes(8, "big"))
            for left in range(size - 8, 0, -len(block)):
                file.write(block[:left])


def once(url: str, work: Path, source: Path, name: str, *, up: bool) -> float:
    """Run one tool and return its seconds."""
    remote = f"s3://{BUCKET}/{name.replace(' ', '-')}/" if up else f"s3://{BUCKET}/{FETCHED}/"
    local = source if up else work / "down"
    local.mkdir(exist_ok=True)
    began = time.perf_counter()
    subprocess.run(
        commands(url, local, remote, up=up)[name], env=_env(url), cwd=work, check=True, stdout=subprocess.DEVNULL
    )
    seconds = time.perf_counter() - began
    if not up:
        subprocess.run(["diff", "--recursive", "--brief", source, local], check=True)
        shutil.rmtree(local)
    return seconds


def seed(url: str, source: Path, *, with_crc: bool) -> None:
    """Write the objects that all tools download, with the checksums that S3 would store."""
    s3 = S3(_env(url))
    for name, path in below(source).items():
        content = path.read_bytes()
        crc = Crc("CRC64NVME")
        crc.update(content)
        kept = {"x-amz-checksum-crc64nvme": base64(crc.digest())} if with_crc else {}
        s3.call(Call("PUT", BUCKET, f"{FETCHED}/{name}", content, kept), read_all)


def race(
    server: str, count: int, size: int, rounds: int, work: Path, tools: Sequence[str], *, with_crc: bool
) -> dict[str, Times]:
    """Return the seconds of every tool, up and down; each round starts with a different tool."""
    source = work / "source"
    fill(source, count, size)
    times: dict[str, Times] = {way: {name: [] for name in tools} for way in ("up", "down")}
    for number in range(rounds):
        first = number % len(tools)
        order = [*tools[first:], *tools[:first]]
        for name in order:  # a new server for each: it gets slower with many files
            with SERVERS[server](work / "server") as url:
                times["up"][name].append(once(url, work, source, name, up=True))
            shutil.rmtree(work / "server", ignore_errors=True)
        with SERVERS[server](work / "server") as url:
            seed(url, source, with_crc=with_crc)
            once(url, work, source, "s5cmd", up=False)
            for name in order:
                times["down"][name].append(once(url, work, source, name, up=False))
        shutil.rmtree(work / "server", ignore_errors=True)
    shutil.rmtree(source)
    return times


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--server", type=click.Choice(list(SERVERS)), default="rclone", show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("/dev/shm"), show_default=True)  # noqa: S108
@click.option("--files", "names", multiple=True, type=click.Choice(list(SETS)), help="Default: all.")
@click.option("--tool", "tools", multiple=True, type=click.Choice(TOOLS), default=TOOLS, help="Default: all.")
@click.option("--md5-alone", is_flag=True, help="Store objects without CRC.")
def main(
    rounds: int, server: str, folder: Path, names: tuple[str, ...], tools: tuple[str, ...], md5_alone: bool
) -> None:
    """Measure the tools."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    found: dict[str, dict[str, Times]] = {}
    with tempfile.TemporaryDirectory(prefix="hpc-staging-", dir=folder) as name:
        for files in names or SETS:
            found[files] = race(server, *SETS[files], rounds, Path(name), tools, with_crc=not md5_alone)
            for way, times in found[files].items():
                floor = statistics.median(times["s5cmd"]) if "s5cmd" in times else float("nan")
                for tool, values in times.items():
                    median = statistics.median(values)
                    click.echo(f"{files:16} {way:5} {tool:10} {median:7.2f} s  {floor / median:5.2f}", err=True)
    click.echo(json.dumps({"rounds": rounds, "server": server, "seconds": found}))


if __name__ == "__main__":
    main()
