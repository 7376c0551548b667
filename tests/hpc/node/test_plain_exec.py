"""Without a run, hpc-node is a plain exec of the command; with one, it imports only its own rooms."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HPC_NODE = str(Path(sys.executable).parent / "hpc-node")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "AWS_BATCH_JOB_ID": "x"}
    return subprocess.run([HPC_NODE, *command], env=env, capture_output=True, text=True, timeout=30, check=False)


def test_the_command_takes_the_place_of_hpc_node() -> None:
    result = run("/bin/bash", "-c", 'echo "$0" "$1" {x}; exit 7', "a b", "--agent")
    assert (result.returncode, result.stdout, result.stderr) == (7, "a b --agent {x}\n", "")


def test_nothing_heavy_is_imported_on_the_way() -> None:
    code = "import sys; import hpc.node; print(sorted({'boto3', 'ssl', 'dataclasses', 'logging'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert result.stdout == "[]\n"


def test_the_runtime_imports_its_own_rooms_and_the_standard_library_alone() -> None:
    code = """import sys; before = set(sys.modules)
import hpc.node, hpc.node.checkpoint, hpc.node.dispatch, hpc.node.multi_node
rooms = {"hpc", "hpc.node", "hpc.contract", "hpc.common"}
for name in sorted(set(sys.modules) - before):
    top, room = name.partition(".")[0], ".".join(name.split(".")[:2])
    if top not in sys.stdlib_module_names and room not in rooms:
        print(name)"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert result.stdout == ""


def test_no_command_is_a_usage_error() -> None:
    result = run()
    assert result.returncode == 64
    assert "give the command to run" in result.stderr


def test_a_program_that_is_not_there_gives_127() -> None:
    result = run("no-such-program")
    assert result.returncode == 127
    assert "'no-such-program': no such program on PATH" in result.stderr


def test_a_file_that_is_no_program_gives_126() -> None:
    result = run("/etc/passwd")
    assert result.returncode == 126
    assert "Permission denied" in result.stderr


def test_outside_batch_and_behind_two_hyphens_it_is_the_same() -> None:
    command = [HPC_NODE, "--", "/bin/bash", "-c", 'echo "$1"; exit 7', "bash", "--"]
    result = subprocess.run(command, env={}, capture_output=True, text=True, timeout=30, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (7, "--\n", "")
