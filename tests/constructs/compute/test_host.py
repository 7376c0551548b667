"""The service that publishes facts about the instance: the deployed script, with a metadata service on
loopback."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hpc.contract import objects
from hpc.contract.host_files import HOST_INSTANCE, HOST_SPOT_NOTICE
from hpc_constructs.compute.host.install import PLACES, deployed, install_script

ITEMS = {
    "instance-id": "i-0123456789abcdef0",
    "instance-type": "c7i.large",
    "placement/availability-zone": "us-east-1b",
    "placement/availability-zone-id": "use1-az4",
    "placement/region": "us-east-1",
    "instance-life-cycle": "spot",
    "ami-id": "ami-0123456789abcdef0",
}
NOTICE = {"action": "terminate", "time": "2026-11-22T08:22:00Z"}


class Imds(ThreadingHTTPServer):
    """Version 2 of the metadata service: items for requests with a token that it issued and has not withdrawn."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.items = dict(ITEMS)
        self.tokens: list[str] = []
        self.valid: set[str] = set()
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def withdraw(self) -> None:
        self.valid.clear()


class Handler(BaseHTTPRequestHandler):
    server: Imds

    def do_PUT(self) -> None:
        ttl = int(self.headers["X-aws-ec2-metadata-token-ttl-seconds"])
        good = self.path == "/latest/api/token" and 1 <= ttl <= 21600
        token = f"token-{len(self.server.tokens)}"
        self.server.tokens.append(token)
        self.server.valid.add(token)
        self._answer(200 if good else 400, token)

    def do_GET(self) -> None:
        item = self.path.removeprefix("/latest/meta-data/")
        if self.headers["X-aws-ec2-metadata-token"] not in self.server.valid:
            self._answer(401, "")
            return
        found = self.server.items.get(item)
        self._answer(404 if found is None else 200, found or "")
        self.server.asked.append(item)

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def imds() -> Iterator[Imds]:
    server = Imds()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Start the service with the metadata service at an address; it writes to the folder `hpc`."""
    (tmp_path / "hpc").mkdir()
    script = tmp_path / "hpc_host.py"
    script.write_text(deployed(script.name))
    with contextlib.ExitStack() as stack:

        def run(url: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-I", str(script), "--imds", url, "--folder", str(tmp_path / "hpc")]
            process = subprocess.Popen([*command, "--interval-s", "0.02"], stdout=subprocess.PIPE, text=True)
            stack.callback(lambda: (process.kill(), process.wait(), process.stdout and process.stdout.close()))
            return process

        yield run


def until(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def polls(imds: Imds) -> int:
    return imds.asked.count("spot/instance-action")


def test_it_describes_the_instance_as_the_contract_does(
    imds: Imds, start: Callable[..., object], tmp_path: Path
) -> None:
    start(imds.url)
    path = tmp_path / "hpc" / HOST_INSTANCE
    until(path.exists)
    assert objects.from_json(objects.Instance, path.read_text()) == objects.Instance(
        instance_id="i-0123456789abcdef0",
        instance_type="c7i.large",
        zone="us-east-1b",
        zone_id="use1-az4",
        region="us-east-1",
        purchasing="spot",
        image_id="ami-0123456789abcdef0",
    )
    assert set(json.loads(path.read_text())) == {field.name for field in dataclasses.fields(objects.Instance)}
    assert path.stat().st_mode & 0o777 == 0o644, "jobs are not root"


def test_without_a_notice_there_is_no_file(imds: Imds, start: Callable[..., object], tmp_path: Path) -> None:
    start(imds.url)
    until(lambda: polls(imds) > 3)
    assert [path.name for path in (tmp_path / "hpc").iterdir()] == [HOST_INSTANCE]


def test_a_notice_appears_changes_and_goes(imds: Imds, start: Callable[..., object], tmp_path: Path) -> None:
    start(imds.url)
    until(lambda: polls(imds) > 1)
    path = tmp_path / "hpc" / HOST_SPOT_NOTICE
    imds.items["spot/instance-action"] = json.dumps(NOTICE)
    until(path.exists)
    assert json.loads(path.read_text()) == NOTICE
    assert path.stat().st_mode & 0o777 == 0o644
    later = json.dumps(NOTICE | {"time": "2026-11-22T09:00:00Z"})
    imds.items["spot/instance-action"] = later
    until(lambda: path.read_text() == later)
    del imds.items["spot/instance-action"]
    until(lambda: not path.exists())


def test_a_reader_never_finds_half_a_notice(imds: Imds, start: Callable[..., object], tmp_path: Path) -> None:
    notices = [json.dumps({"action": "terminate", "time": letter * 200_000}) for letter in "ab"]
    imds.items["spot/instance-action"] = notices[0]
    start(imds.url)
    path = tmp_path / "hpc" / HOST_SPOT_NOTICE
    until(path.exists)
    seen: set[str] = set()
    for number in range(400):
        imds.items["spot/instance-action"] = notices[number // 20 % 2]
        seen.add(path.read_text())
        time.sleep(0.002)
    assert seen == set(notices)


def test_an_expired_token_is_replaced(imds: Imds, start: Callable[..., object], tmp_path: Path) -> None:
    start(imds.url)
    until(lambda: polls(imds) > 1)
    assert len(imds.tokens) == 1, "a token is used for as long as it is good"
    imds.withdraw()
    imds.items["spot/instance-action"] = json.dumps(NOTICE)
    until((tmp_path / "hpc" / HOST_SPOT_NOTICE).exists)
    assert len(imds.tokens) == 2


def test_a_metadata_service_that_comes_late_is_waited_for(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    process = start(f"http://127.0.0.1:{port}")
    assert process.stdout
    assert "trying again" in process.stdout.readline()
    late = Imds(port)
    until((tmp_path / "hpc" / HOST_INSTANCE).exists)
    late.shutdown()
    late.server_close()
    assert process.poll() is None


def test_a_later_outage_is_reported_once_and_survived(
    imds: Imds, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = start(imds.url)
    until(lambda: polls(imds) > 1)
    port = imds.server_address[1]
    imds.shutdown()
    imds.server_close()
    assert process.stdout
    assert "trying again" in process.stdout.readline()
    again = Imds(port)
    again.items["spot/instance-action"] = json.dumps(NOTICE)
    until((tmp_path / "hpc" / HOST_SPOT_NOTICE).exists)
    again.shutdown()
    again.server_close()


def test_on_an_on_demand_instance_it_has_nothing_to_wait_for(
    imds: Imds, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    imds.items["instance-life-cycle"] = "on-demand"
    assert start(imds.url).wait(20) == 0
    assert polls(imds) == 0
    assert (tmp_path / "hpc" / HOST_INSTANCE).exists()


def test_the_python_of_amazon_linux_2023_understands_it() -> None:
    """3.9 (https://docs.aws.amazon.com/linux/al2023/ug/python.html), and nothing but the standard library."""
    tree = ast.parse(deployed("hpc_host.py"), feature_version=(3, 9))
    imports = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    froms = {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imports | froms} <= sys.stdlib_module_names


def test_user_data_puts_the_files_in_their_places_byte_for_byte(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "systemctl").write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\n')
    (tools / "systemctl").chmod(0o755)
    lines = install_script().splitlines()
    script = "\n".join(
        line.replace(" /", f" {tmp_path}/") if line.startswith(("mkdir -p /", "cat > /")) else line for line in lines
    )
    subprocess.run(["bash", "-euc", script], env={"PATH": f"{tools}:/usr/bin:/bin"}, check=True)
    for name, place in PLACES.items():
        assert (tmp_path / place.lstrip("/")).read_text() == deployed(name)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["daemon-reload", "enable --now hpc-host.service"]


def test_the_units_name_the_files_where_they_are() -> None:
    for name in ("hpc-host.service", "ecs.conf"):
        (command,) = [line for line in deployed(name).splitlines() if line.startswith("ExecStart")]
        assert command.split()[-1] in PLACES.values()
