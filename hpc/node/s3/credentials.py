"""AWS credentials of this container, from the sources that the SDKs use and in the same order
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
"""Address at which the ECS agent serves the job role's credentials
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html)."""
REFRESH_BEFORE_S = 300
"""Seconds before expiry at which credentials are refreshed."""


class Credentials(NamedTuple):
    """An access key and its expiry."""

    access_key: str
    secret_key: str
    token: str = ""
    expires_at: float = float("inf")
    """Unix time."""


class CredentialSource:
    """Source of valid credentials: the environment, else the ECS agent, else botocore."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._lock = threading.Lock()
        self._current: Credentials | None = None

    def get(self) -> Credentials:
        """Return credentials that are valid for some minutes.

        Raises:
            OSError: there are none, or no source answers.
        """
        with self._lock:
            if self._current is None or self._current.expires_at - time.time() < REFRESH_BEFORE_S:
                self._current = self._fetch()
            return self._current

    def forget(self) -> None:
        """Discard the current credentials, which the service reported as expired."""
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
        raise OSError(f"the ECS agent did not return the job role's credentials: {answer.status} {answer.reason}")
    raw = json.loads(body)
    expires_at = datetime.fromisoformat(raw["Expiration"]).timestamp()
    return Credentials(raw["AccessKeyId"], raw["SecretAccessKey"], raw["Token"], expires_at)


def _from_botocore() -> Credentials:
    import botocore.session  # pyright: ignore[reportMissingTypeStubs]

    credentials = botocore.session.get_session().get_credentials()
    if credentials is None:
        raise OSError("no AWS credentials: set a job role in the job definition")
    frozen = credentials.get_frozen_credentials()
    expires_at = time.time() + 2 * REFRESH_BEFORE_S
    return Credentials(str(frozen.access_key), str(frozen.secret_key), str(frozen.token or ""), expires_at)
