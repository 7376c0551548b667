"""Delivery of container output to CloudWatch Logs, line by line while the container runs."""

from __future__ import annotations

import json

from ministack.core.responses import request_scope
from ministack.services import cloudwatch_logs

from localcloud.batch.model import Scope, now_ms
from localcloud.json_types import Json

DEFAULT_GROUP = "/aws/batch/job"
MAX_EVENT_BYTES = 256 * 1024


def stream_name(container: Json, definition_name: str, task_id: str) -> str:
    """Return the stream's name (https://docs.aws.amazon.com/batch/latest/userguide/using_awslogs.html)."""
    prefix = _options(container).get("awslogs-stream-prefix") or definition_name[:200]
    return f"{prefix}/default/{task_id}"


def _options(container: Json) -> Json:
    return container.get("logConfiguration", {}).get("options", {})


class LogStream:
    """The log stream of one container, in the log group of its definition."""

    def __init__(self, scope: Scope, container: Json, name: str) -> None:
        """Create the stream.

        Raises:
            LookupError: the log group does not exist. Only the service's default group is created on demand.
        """
        self._scope = scope
        self._group = _options(container).get("awslogs-group", DEFAULT_GROUP)
        self._name = name
        self._rest = b""
        with request_scope(scope.account, scope.region):
            if self._group == DEFAULT_GROUP:
                cloudwatch_logs._create_log_group({"logGroupName": self._group})
            status, _, body = cloudwatch_logs._create_log_stream({"logGroupName": self._group, "logStreamName": name})
        if status >= 400:
            error = json.loads(body)
            raise LookupError(f"{error.get('__type')}: {error.get('message')}")

    def write(self, data: bytes) -> None:
        """Write output as it comes; an unfinished line waits for more output or for `close`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_EVENT_BYTES:
            lines.append(self._rest)
            self._rest = b""
        self._put(lines)

    def close(self) -> None:
        self._put([self._rest])

    def _put(self, lines: list[bytes]) -> None:
        now = now_ms()
        # CloudWatch Logs takes no empty events, and the awslogs driver drops empty lines.
        events = [{"timestamp": now, "message": line.decode("utf-8", "replace")} for line in lines if line.strip(b"\r")]
        if events:
            with request_scope(self._scope.account, self._scope.region):
                cloudwatch_logs._put_log_events(
                    {"logGroupName": self._group, "logStreamName": self._name, "logEvents": events}
                )
