"""The image as podman starts it: who runs in it, what it starts, how it ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import CompletedProcess
from typing import Any

import pytest

from hpc import __version__
from tests.container import support

pytestmark = pytest.mark.slow

MOST_BYTES = 450 * 10**6
SUM = "from mpi4py import MPI; import numpy; print(MPI.COMM_WORLD.allreduce(MPI.COMM_WORLD.rank + 1))"
ORPHANS = "(sleep 0.1 &); (sleep 0.1 &); while cat /proc/[0-9]*/comm | grep -q sleep; do :; done"


def run(image: str, *command: str) -> CompletedProcess[str]:
    return support.run("run", "--rm", "--network", "none", image, *command, check=False)


@pytest.fixture(scope="module")
def config(image: str) -> dict[str, Any]:
    return json.loads(support.run("image", "inspect", image).stdout)[0]


def test_it_is_small(config: dict[str, Any]) -> None:
    assert config["Size"] <= MOST_BYTES


def test_user_and_entrypoint_can_be_read_without_starting_it(config: dict[str, Any]) -> None:
    assert (config["Config"]["User"], config["Config"]["Entrypoint"]) == ("1000", ["hpc-node"])


def test_it_says_what_it_was_built_from(config: dict[str, Any]) -> None:
    project = tomllib.loads((support.ROOT / "pyproject.toml").read_text())["project"]
    labels = {key.removeprefix("org.opencontainers.image."): text for key, text in config["Labels"].items()}
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=support.ROOT, capture_output=True, text=True, check=True)
    assert (labels["title"], labels["version"]) == (project["name"], __version__)
    assert labels["revision"].removesuffix("-dirty") == commit.stdout.strip()


def test_commands_are_no_root_and_own_nothing_but_their_home(image: str) -> None:
    ended = run(image, "sh", "-c", "id -u; touch ~/mine && echo home; touch /opt/hpc/mine || echo not the programs")
    assert ended.stdout.split("\n")[:3] == ["1000", "home", "not the programs"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ([], 64),
        (["sh", "-c", "exit 3"], 3),
        (["sh", "-c", "kill -9 $$"], 128 + signal.SIGKILL),
        (["no-such-program"], 127),
        (["/etc/passwd"], 126),
    ],
)
def test_the_exit_code_is_the_commands(image: str, command: list[str], code: int) -> None:
    assert run(image, *command).returncode == code


@contextmanager
def running(image: str, script: str, *options: str) -> Iterator[str]:
    """Start a script and wait until it has printed `ready`."""
    command = ["run", "--detach", *options, "--network", "none", image, "sh", "-c", script]
    name = support.run(*command).stdout.strip()
    try:
        while "ready" not in support.run("logs", name).stdout:
            assert support.run("inspect", "--format", "{{.State.Running}}", name).stdout.strip() == "true"
        yield name
    finally:
        support.run("rm", "--force", name)


@pytest.mark.parametrize("init", [[], ["--init"]], ids=["first process", "behind an init"])
def test_stop_reaches_a_command_that_handles_no_signal(image: str, init: list[str]) -> None:
    """As a container's first process it would not hear SIGTERM, and be killed when the grace period is over."""
    with running(image, "echo ready; exec sleep 600", *init) as name:
        support.run("stop", "--time", "60", name, timeout_s=50)
        assert support.run("inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip() == "143"


def test_a_command_can_end_in_its_own_way_when_it_is_stopped(image: str) -> None:
    with running(image, "trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.05; done") as name:
        support.run("stop", "--time", "60", name, timeout_s=50)
        assert support.run("logs", name).stdout.split() == ["ready", "bye"]
        assert support.run("inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip() == "9"


def test_orphans_are_reaped(image: str) -> None:
    """Else the name of a dead one would be there for ever."""
    assert run(image, "sh", "-c", ORPHANS).returncode == 0


def test_mpi_runs_without_a_network(image: str) -> None:
    ended = run(image, "mpirun", "-np", "2", "python", "-c", SUM)
    assert (ended.returncode, ended.stdout.split()) == (0, ["3", "3"]), ended.stderr


def test_the_transfer_tool_and_the_client_start(image: str) -> None:
    assert run(image, "s5cmd", "version").stdout.startswith("v2.")
    assert "submit" in run(image, "hpc", "--help").stdout


def test_the_checksum_that_s3_gives_every_object_is_computed(image: str) -> None:
    compute = (
        "from hpc.common.crc import Crc; crc = Crc('CRC64NVME'); crc.update(b'123456789'); print(crc.digest().hex())"
    )
    assert run(image, "python", "-c", compute).stdout.strip() == "ae8b14860a799888"


def test_certificates_of_public_authorities_are_there(image: str) -> None:
    """S3 is reached by TLS."""
    count = "import ssl; print(ssl.create_default_context().cert_store_stats()['x509_ca'])"
    assert int(run(image, "python", "-c", count).stdout) > 100


def test_nothing_is_compiled_when_a_job_starts(image: str) -> None:
    """Its user could not keep the result: each task of a sweep would compile again."""
    loaded = run(image, "python", "-v", "-c", "import hpc.node.dispatch").stderr
    assert re.search(r"code object from '/opt/hpc/\S*/hpc/node/\S*\.pyc'", loaded)
    assert re.findall(r"code object from '?/\S*\.py'?$", loaded, re.MULTILINE) == []


def test_the_examples_run_in_their_image(image: str) -> None:
    examples = support.build("examples")
    heat = "/opt/hpc/examples/heat/heat.py"
    script = (
        f"mpirun -np 2 python {heat} --output a.npz && python {heat} --serial --output b.npz"
        f" && python {heat} --compare a.npz b.npz | tail -1"
    )
    ended = run(examples, "sh", "-c", script)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])["largest_difference"] <= 1e-12
