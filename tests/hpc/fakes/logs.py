# ruff: noqa: N803 - as boto3 has them
"""CloudWatch Logs, as far as the runtime uses it: pages of a stream, by tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from tests.hpc.fakes.refusals import refused


class ResourceNotFoundException(ClientError):  # noqa: N818
    """There is no such group or stream."""


@dataclass
class Logs:
    """The same token comes back at the end of a stream, and a page may be empty before it
    (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html)."""

    group: str = "hpc-dev"
    streams: dict[str, list[list[str]]] = field(default_factory=dict[str, list[list[str]]])
    """Pages of each stream."""
    exceptions: ClassVar[Any] = SimpleNamespace(ResourceNotFoundException=ResourceNotFoundException)
    reads: int = 0

    def get_log_events(
        self, *, logGroupName: str, logStreamName: str, nextToken: str | None = None, startFromHead: bool = False
    ) -> dict[str, Any]:
        assert logGroupName == self.group
        assert nextToken or startFromHead, "without either the latest events come first"
        self.reads += 1
        if logStreamName not in self.streams:
            error = refused("ResourceNotFoundException", "GetLogEvents")
            raise ResourceNotFoundException(error.response, error.operation_name)
        pages = self.streams[logStreamName]
        stream, _, number = (nextToken or f"f/{logStreamName}/0").removeprefix("f/").rpartition("/")
        assert stream == logStreamName, "a token belongs to its stream"
        start = int(number)
        lines, end = (pages[start], start + 1) if start < len(pages) else ([], start)
        return {"events": [{"message": line} for line in lines], "nextForwardToken": f"f/{logStreamName}/{end}"}
