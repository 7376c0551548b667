from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from localcloud.process_group import RunningProcess, marked_processes

pytestmark = pytest.mark.slow

BACKGROUND = "setsid sh -c 'sleep 600 & sleep 600' >/dev/null 2>&1 & "


def run(folder: Path, script: str, act: str = "") -> tuple[int, bytes, list[int]]:
    """Run a shell script as a container's process; return exit code, output and surviving processes."""
    marker = f"marker-of-{folder}"

    async def body() -> tuple[int, bytes, list[int]]:
        output = bytearray()
        env = {"PATH": os.environ["PATH"], "MARK": marker}
        process = RunningProcess(["sh", "-c", script], env, folder, marker, output.extend)
        if act:
            while b"ready" not in output:
                await asyncio.sleep(0.01)
            getattr(process, act)(0.2 if act == "stop" else signal.SIGKILL)
        code = await asyncio.wait_for(process.exited, 10)
        return code, bytes(output), list(marked_processes(marker))

    return asyncio.run(body())


def test_exit_code_and_output_are_complete_when_the_process_has_ended(tmp_path: Path) -> None:
    code, output, _ = run(tmp_path, "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; exit 3")
    assert code == 3
    assert output.splitlines() == [b"line %d" % number for number in range(2000)]


def test_a_signal_counts_as_128_and_its_number(tmp_path: Path) -> None:
    assert run(tmp_path, "kill -SEGV $$")[0] == 128 + signal.SIGSEGV


@pytest.mark.parametrize("ending", ["exit 0", "kill -KILL $$"])
def test_processes_left_behind_in_other_sessions_die(tmp_path: Path, ending: str) -> None:
    assert run(tmp_path, BACKGROUND + ending)[2] == []


def test_stop_lets_the_process_end_by_itself(tmp_path: Path) -> None:
    code, output, _ = run(tmp_path, "trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.05; done", "stop")
    assert (code, output) == (9, b"ready\nbye\n")


def test_a_process_that_ignores_the_stop_is_killed(tmp_path: Path) -> None:
    code, _, left = run(tmp_path, "trap '' TERM; echo ready; while :; do sleep 0.05; done", "stop")
    assert (code, left) == (137, [])


def test_a_command_that_is_not_there_cannot_start(tmp_path: Path) -> None:
    async def body() -> None:
        RunningProcess(["no-such-command"], {"PATH": "/nowhere"}, tmp_path, "x", bytearray().extend)

    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(FileNotFoundError):
        asyncio.run(body())
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
