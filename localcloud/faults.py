"""Faults between a client and the local cloud: a microburst proxy with a seed."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from localcloud.settings import HOST

START_TIMEOUT_S = 60
_SEEDED = "import random, sys; random.seed(int(sys.argv.pop(1))); from microburst.cli import main; main()"
"""microburst draws from the global generator: with a seed, the same requests get the same faults."""


class FaultyLine:
    """A proxy in front of an endpoint; without rules it passes everything through.

    >>> with FaultyLine(cloud.url, seed=1, log=folder / "line.log") as line:  # doctest: +SKIP
    ...     line.rules({"service": "batch", "operation": "SubmitJob", "times": 1, "reset": True})
    """

    def __init__(self, upstream: str, seed: int, log: Path) -> None:
        self._upstream, self._seed, self._log = upstream, seed, log
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def rules(self, *rules: dict[str, Any]) -> None:
        """Replace all rules (https://github.com/pingedbrain/microburst#rules)."""
        self._call("POST", "rules", list(rules))

    def fired(self) -> list[dict[str, Any]]:
        """Return the faults injected so far."""
        return self._call("GET", "fired?limit=100000")

    def clear(self) -> None:
        """Remove all rules and forget past faults."""
        self.rules()
        self._call("DELETE", "fired")

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(f"{self.url}/_microburst/{path}", method=method)  # noqa: S310
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")

    def __enter__(self) -> Self:
        with socket.create_server((HOST, 0)) as probe:
            port = probe.getsockname()[1]
        self.url = f"http://{HOST}:{port}"
        command = [sys.executable, "-c", _SEEDED, str(self._seed), "--upstream", self._upstream]
        env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--host", HOST, "--port", str(port), "--no-resign"], env=env, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"microburst did not start:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            self._call("GET", "health")
            return True
        return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(20)
