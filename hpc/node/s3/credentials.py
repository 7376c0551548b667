"""AWS credentials of this container, in the order in which the SDKs look
(https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html)."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

AGENT = "169.254.170.2"
"""Where the ECS agent serves the job role
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html)."""
REFRESH_BEFORE_S = 300


class Credentials(NamedTuple):
    access_key: str
    secret_key: str
    token: str = ""
    expires_at: float = float("inf")
    """Unix time."""


class CredentialSource:
    """The credentials that are valid now: from the environment, else from the ECS agent, else from botocore."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._lock = threading.Lock()
        self._current: Credentials | None = None

    def get(self) -> Credentials:
        """Return credentials that are valid for some minutes; OSError if there are none or no source answers."""
        with self._lock:
            if self._current is None or self._current.expires_at - time.time() < REFRESH_BEFORE_S:
                self._current = self._fetch()
            return self._current

    def forget(self) -> None:
        """Fetch anew next time: the service called them expired."""
        with self._lock:
            self._current = None

    def _fetch(self) -> Credentials:
        key, secret = self._env.get("AWS_ACCESS_KEY_ID"), self._env.get("AWS_SECRET_ACCESS_KEY")
        if key and secret:
            return Credentials(key, secret, self._env.get("AWS_SESSION_TOKEN", ""))
        path = self._env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        return _from_agent(path) if path else _from_botocore()


def _from_agent(path: str) -> Credentials:
    connection = http.client.HTTPConnection(AGENT, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise OSError(f"the ECS agent gave no credentials of the job role: {answer.status} {answer.reason}")
    raw = json.loads(body)
    expires_at = datetime.fromisoformat(raw["Expiration"]).timestamp()
    return Credentials(raw["AccessKeyId"], raw["SecretAccessKey"], raw["Token"], expires_at)


def _from_botocore() -> Credentials:
    import botocore.session  # pyright: ignore[reportMissingTypeStubs]

    found = botocore.session.get_session().get_credentials()
    if found is None:
        raise OSError("no AWS credentials: give the job definition a job role")
    now = found.get_frozen_credentials()
    expires_at = time.time() + 2 * REFRESH_BEFORE_S
    return Credentials(str(now.access_key), str(now.secret_key), str(now.token or ""), expires_at)
