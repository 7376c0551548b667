"""A local cloud for the duration of a block of code: for the demo and for tests."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from localcloud.process_group import marked_processes

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30


class LocalCloud:
    """Runs `python -m localcloud serve` in a separate process group, and ends it with everything it started.

    >>> with LocalCloud(folder) as cloud:  # doctest: +SKIP
    ...     subprocess.run(["cdk", "deploy", "--all"], env=os.environ | cloud.environment())
    """

    def __init__(self, state_dir: Path, *options: str, port: int = 0) -> None:
        """Prepare a local cloud that keeps its files in `state_dir`; `options` are passed to `serve`."""
        self._state_dir = state_dir.absolute()
        self._options = options
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.server_log = self._state_dir / "server.log"
        """Output of the server."""
        self._call_log = self._state_dir / "calls.jsonl"

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    @property
    def runs_containers(self) -> bool:
        """True if jobs run in podman containers."""
        return "container" in self._options

    def start(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            RuntimeError: it ended or does not listen in time; the text ends with its output.
        """
        self._state_dir.mkdir(parents=True, exist_ok=True)
        ready = self._state_dir / "url"
        ready.unlink(missing_ok=True)
        command = [
            sys.executable, "-m", "localcloud", "serve", "--port", str(self._port), "--ready-file", str(ready),
            "--state-dir", str(self._state_dir), "--log", str(self._call_log), *self._options,
        ]  # fmt: skip
        root = Path(__file__).parents[1]
        with self.server_log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=root, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (ready.exists() and self._answers(ready.read_text().strip())):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the local cloud did not start:\n{self.server_log.read_text()[-4000:]}")
            time.sleep(0.05)
        self.url = ready.read_text().strip()
        return self

    @staticmethod
    def _answers(url: str) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/_ministack/health", timeout=5):  # noqa: S310
            return True
        return False

    def environment(self) -> dict[str, str]:
        """Return the variables that point AWS clients and the CDK CLI at it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def calls(self) -> list[dict[str, Any]]:
        """Return the Batch calls and S3 writes so far: time, service, operation, method, path, status."""
        if not self._call_log.exists():
            return []
        return [json.loads(line) for line in self._call_log.read_text().splitlines()]

    def admin(self, operation: str, *arguments: object) -> Any:
        """Call an operation of `localcloud.admin`.

        Raises:
            ValueError: the operation is refused; the text says why.
        """
        path = "/".join(quote(str(item), safe="") for item in (operation, *arguments))
        try:
            with urllib.request.urlopen(f"{self.url}/_localcloud/{path}", timeout=10) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["message"]) from None

    def jobs(self) -> list[dict[str, Any]]:
        """Return the running jobs, each with process ids and addresses of its containers."""
        return self.admin("jobs")

    def set_list_lag(self, lag_s: float) -> None:
        """Make ListJobs omit jobs younger than `lag_s`."""
        self.admin("list-lag-s", lag_s)

    def reclaim(self, job_id: str, notice_s: float | str = "") -> str:
        """Take away the instance of a job or node and return its id. On Spot it gets a notice first, by default of two
        minutes times the time scale."""
        return self.admin("reclaim", job_id, notice_s)

    def kill(self, job_id: str) -> None:
        """Kill the container of a job or node."""
        self.admin("kill", job_id)

    def cut(self, job_id: str, other: str = "", port: int | str = "") -> None:
        """Drop traffic between a container and `other`, or everything if none is given, on one TCP port or all ports.
        Container executor only."""
        self.admin("cut", job_id, other, port)

    def stop(self) -> None:
        """End it and its jobs.

        Raises:
            RuntimeError: one of its processes does not die.
        """
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        # A server that ends in order kills its jobs; this covers the case that it did not.
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self.url and (left := list(marked_processes(f"{self.url}/v4/"))):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise RuntimeError(f"processes of the local cloud at {self.url} do not end: {left}")
            time.sleep(0.02)
        if self.url and self.runs_containers:
            from localcloud.runtimes.container import remove_leftovers

            remove_leftovers(self.url)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
