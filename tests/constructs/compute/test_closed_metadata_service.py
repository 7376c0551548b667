"""The rule that closes the metadata service: the deployed script, in a separate network namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hpc_constructs.compute.host.install import deployed
from tools.namespaces import REQUIRED

pytestmark = pytest.mark.slow

IN_THE_NAMESPACE = """
import http.server, os, subprocess, sys, threading
import urllib.request

for command in ("ip link set lo up", "ip addr add 169.254.169.254/32 dev lo", "ip addr add 169.254.170.2/32 dev lo"):
    subprocess.run(command.split(), check=True)


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


for address in ("169.254.169.254", "169.254.170.2"):
    server = http.server.ThreadingHTTPServer((address, 80), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def reached(address, user):
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
        try:
            urllib.request.urlopen(f"http://{address}/", timeout=3)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def show(when):
    for address in ("169.254.169.254", "169.254.170.2"):
        for user in (0, 1000):
            print(when, address, user, "served" if reached(address, user) else "refused")


show("before")
for _ in range(2):
    subprocess.run(["bash", sys.argv[1]], check=True)
show("after")
rules = subprocess.run(["iptables", "-S", "OUTPUT"], check=True, capture_output=True, text=True).stdout
print("rules", rules.count("169.254.169.254"))
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "close-imds"
    path.write_text(deployed(path.name))
    return str(path)


def test_only_root_reaches_it_and_everybody_the_containers_credentials(script: str) -> None:
    wanting = [tool for tool in ("unshare", "ip", "iptables") if not shutil.which(tool)]
    if os.geteuid() != 0:
        wanting.append("root")
    if wanting:
        said = f"NOT TESTED: that the metadata service is closed to jobs; missing: {', '.join(wanting)}"
        assert REQUIRED not in os.environ, said
        pytest.skip(said)
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-I", "-c", textwrap.dedent(IN_THE_NAMESPACE), script],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "before 169.254.169.254 0 served",
        "before 169.254.169.254 1000 served",
        "before 169.254.170.2 0 served",
        "before 169.254.170.2 1000 served",
        "after 169.254.169.254 0 served",
        "after 169.254.169.254 1000 refused",
        "after 169.254.170.2 0 served",
        "after 169.254.170.2 1000 served",
        "rules 1",
    ]


def test_without_the_rule_the_agent_does_not_start(tmp_path: Path, script: str) -> None:
    """systemd ends the start of a service whose ExecStartPre fails."""
    (tmp_path / "iptables").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "iptables").chmod(0o755)
    done = subprocess.run(["bash", script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False)
    assert done.returncode == 3
    (command,) = [line for line in deployed("ecs.conf").splitlines() if line.startswith("ExecStart")]
    assert command.partition("=")[2].startswith("/bin/bash "), "no `-` before it: its failure counts"
