"""`hpc` without the start of an interpreter: each command is forked from a process that has imported what all need.

It is a process like any other, with variables, folder, streams, signals and exit code of its own.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

MAIN = "hpc.cli:main"
_LOCK = threading.Lock()


class Process:
    """A started command, as far as tests use what `subprocess.Popen` has."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], cwd: Path, main: str = MAIN) -> None:
        self.args = ["hpc", *arguments]
        self.returncode: int | None = None
        """Known once `communicate` has returned."""
        (out, write_out), (err, write_err), (reply, write_reply) = os.pipe(), os.pipe(), os.pipe()
        self.stdout, self.stderr, self._reply = (os.fdopen(number, encoding="utf-8") for number in (out, err, reply))
        with tempfile.TemporaryFile("w+", encoding="utf-8") as request:
            json.dump([self.args, dict(env), str(cwd), main], request)
            request.flush()
            with _LOCK:
                server = _server()
            socket.send_fds(server, [b"."], [request.fileno(), write_out, write_err, write_reply])
        for number in (write_out, write_err, write_reply):
            os.close(number)
        self.pid = int(self._reply.readline())

    def send_signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what it writes from now on, once it has ended."""
        read: dict[str, str] = {}

        def drain(name: str) -> None:
            with getattr(self, name) as stream:
                read[name] = stream.read()

        threads = [threading.Thread(target=drain, args=[name], daemon=True) for name in ("stdout", "stderr", "_reply")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout)
            if thread.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.returncode = int(read["_reply"])
        return read["stdout"], read["stderr"]


def run(
    *arguments: str, env: Mapping[str, str], cwd: Path, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `hpc` as `subprocess.run` does."""
    process = Process(arguments, env, cwd)
    try:
        out, err = process.communicate(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode is not None
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@functools.cache
def _server() -> socket.socket:
    """Start the process to fork from; it ends with this one."""
    own, its = socket.socketpair()
    with its:
        command = [sys.executable, "-m", __name__, str(its.fileno())]
        subprocess.Popen(command, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL)
    return own


def _serve(requests: socket.socket) -> None:
    while True:
        _, files, _, _ = socket.recv_fds(requests, 1, 4)
        if not files:
            return
        if not os.fork():
            requests.close()
            _attend(*files)
        for number in files:
            os.close(number)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue


def _attend(request: int, out: int, err: int, reply: int) -> NoReturn:
    """Start the command, say which process it is, then how it ended."""
    child = os.fork()
    if not child:
        os.close(reply)
        _become(request, out, err)
    os.close(out)
    os.close(err)
    os.write(reply, f"{child}\n".encode())
    os.write(reply, str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
    os._exit(0)


def _become(request: int, out: int, err: int) -> NoReturn:
    with os.fdopen(request, encoding="utf-8") as file:
        file.seek(0)
        sys.argv, env, cwd, main = json.load(file)
    for number, stream in ((out, 1), (err, 2)):
        os.dup2(number, stream)
        os.close(number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    module, _, name = main.partition(":")
    function: Any = getattr(importlib.import_module(module), name)
    function()
    sys.exit()


if __name__ == "__main__":
    for needed in ("boto3", "rich.console", "hpc.cli.definitions", "hpc.cli.queues", "hpc.cli.runs", "hpc.cli.submit"):
        importlib.import_module(needed)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _serve(socket.socket(fileno=int(sys.argv[1])))
