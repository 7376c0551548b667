"""The type of requests and answers: an AWS API's JSON objects as dictionaries."""

from typing import Any

Json = dict[str, Any]
