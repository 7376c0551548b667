"""S3 client for the few requests that every task makes, using only the standard library.

Importing botocore and creating its client costs more CPU than a short task of a sweep, so requests are signed here with
AWS Signature Version 4 (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import http.client
import os
import random
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, TypeVar
from urllib.parse import quote, unquote_plus, urlencode, urlsplit

from hpc.common import checksums
from hpc.node.job_context import s3_timeout_s
from hpc.node.s3.credentials import Credentials, CredentialSource

ATTEMPTS = 6
"""Attempts of each request."""
LONGEST_DELAY_S = 8.0
"""Maximum delay in seconds between two attempts."""
_RETRIED_STATUS = frozenset({409, 429, 500, 502, 503, 504})
_LOCAL_FAULTS = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR,
        errno.EISDIR, errno.ENAMETOOLONG,
    }
)  # fmt: skip
"""Errors of this machine's disk, which a retry does not fix."""

T = TypeVar("T")


class S3Error(Exception):
    """A request that S3 refused, or that failed without a response after all retries (status 0)."""

    def __init__(self, what: str, status: int, code: str) -> None:
        super().__init__(f"{what}: {code} ({status})" if status else f"{what}: {code}")
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    bucket: str
    key: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    sha256: bytes = b""
    """SHA-256 of the body; empty if not computed yet."""

    @property
    def name(self) -> str:
        return f"{self.method} s3://{self.bucket}/{self.key}"


class Listed(NamedTuple):
    """An object in a listing."""

    key: str
    size: int
    """Bytes."""
    etag: str


class S3:
    """S3 client with one connection per thread and bucket, and retries with increasing random delays.

    `AWS_ENDPOINT_URL_S3` and `AWS_ENDPOINT_URL` are supported as in the SDKs
    (https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html). Every method raises S3Error; a time-out
    setting that is not a number raises Failure.
    """

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        self.region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1"
        self.endpoint = env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or ""
        self._timeout_s = s3_timeout_s(env)
        self._credentials = CredentialSource(env)
        self._regions: dict[str, str] = {}
        self._local = threading.local()

    def get(self, bucket: str, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return an object, or its bytes from `start` (inclusive) to `stop` (exclusive)."""
        if stop is None:
            return self.call(Call("GET", bucket, key, headers=checksums.MODE), _read_checked)
        return self.call(Call("GET", bucket, key, headers={"Range": f"bytes={start}-{stop - 1}"}), read_all)

    def put(self, bucket: str, key: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Write an object with its SHA-256, which S3 verifies and stores for readers."""
        sha256 = hashlib.sha256(body).digest()
        checksum = {"x-amz-checksum-sha256": base64(sha256)}
        self.call(Call("PUT", bucket, key, body, {**checksum, **(headers or {})}, sha256=sha256), read_all)

    def get_tagged(self, bucket: str, key: str) -> tuple[bytes, str] | None:
        """Return an object and its ETag; None if it does not exist (403 if the role may list only a prefix)."""
        try:
            return self.call(
                Call("GET", bucket, key, headers=checksums.MODE),
                lambda answer: (_read_checked(answer), answer.getheader("ETag") or ""),
            )
        except S3Error as error:
            if error.status in {403, 404}:
                return None
            raise

    def create(self, bucket: str, key: str, body: bytes) -> bool:
        """Write an object unless it exists; return whether it was written."""
        return self._put_if(bucket, key, body, {"If-None-Match": "*"})

    def replace(self, bucket: str, key: str, body: bytes, etag: str) -> bool:
        """Write an object if it still has this ETag; return whether it was written."""
        return self._put_if(bucket, key, body, {"If-Match": etag})

    def _put_if(self, bucket: str, key: str, body: bytes, condition: Mapping[str, str]) -> bool:
        try:
            self.put(bucket, key, body, condition)
        except S3Error as error:
            if error.status == 412:
                return False
            raise
        return True

    def list(self, bucket: str, prefix: str, most: int | None = None) -> Iterator[Listed]:
        """Yield every object under a prefix, with at most `most` objects per request (S3's limit: 1,000)."""
        from xml.etree import ElementTree as Xml

        def read(answer: http.client.HTTPResponse) -> Xml.Element:
            try:
                return Xml.fromstring(answer.read())  # noqa: S314
            except Xml.ParseError as error:
                raise http.client.HTTPException(f"the listing is damaged: {error}") from error

        query = {"list-type": "2", "prefix": prefix, "encoding-type": "url"}
        if most is not None:
            query["max-keys"] = str(most)
        while True:
            page = self.call(Call("GET", bucket, "", query=query), read)
            space = page.tag.removesuffix("ListBucketResult")
            for item in page.iter(f"{space}Contents"):
                yield Listed(
                    key=unquote_plus(item.findtext(f"{space}Key", "")),
                    size=int(item.findtext(f"{space}Size", "0")),
                    etag=item.findtext(f"{space}ETag", "").strip('"'),
                )
            token = page.findtext(f"{space}NextContinuationToken")
            if not token:
                return
            query = {**query, "continuation-token": token}

    # ------------------------------------------------------------------------------------------------- requests

    def call(self, call: Call, read: Callable[[http.client.HTTPResponse], T]) -> T:
        """Send a request, with retries, and return the value that `read` extracts from the response.

        An OSError or HTTPException of `read` counts as a connection error, after which the request is retried.
        """
        digest = (call.sha256 or hashlib.sha256(call.body).digest()).hex()
        failure = S3Error(call.name, 0, "not sent")
        for attempt in range(ATTEMPTS):
            if attempt:
                _pause(attempt)
            try:
                answer = self._send(call, digest)
                if answer.status < 300:
                    return read(answer)
                failure = S3Error(call.name, answer.status, _error_code(answer))
            except (OSError, http.client.HTTPException) as error:
                self.disconnect(call.bucket)
                reason = str(error) or type(error).__name__
                if isinstance(error, TimeoutError):
                    reason = f"no answer in {self._timeout_s} s, tried {ATTEMPTS} times"
                failure = S3Error(call.name, 0, reason)
                if isinstance(error, OSError) and error.errno in _LOCAL_FAULTS:
                    break
                continue
            if not self._worth_retrying(call.bucket, answer, failure):
                break
        raise failure

    def _worth_retrying(self, bucket: str, answer: http.client.HTTPResponse, failure: S3Error) -> bool:
        if failure.code == "ExpiredToken":
            self._credentials.forget()
            return True
        region = answer.getheader("x-amz-bucket-region")
        if failure.status in {301, 307, 400} and region and region != self._regions.get(bucket, self.region):
            self._regions[bucket] = region
            self.disconnect(bucket)
            return True
        return failure.status in _RETRIED_STATUS or failure.code == "RequestTimeout"

    def _send(self, call: Call, digest: str) -> http.client.HTTPResponse:
        region = self._regions.get(call.bucket, self.region)
        scheme, host, base = self._address(call.bucket, region)
        path = base + quote(call.key, safe="/-_.~")
        search = urlencode(sorted(call.query.items()), quote_via=quote, safe="-_.~")
        amazons = {name: value for name, value in call.headers.items() if name.startswith("x-amz-")}
        others = {name: value for name, value in call.headers.items() if name not in amazons}
        signed = sign(
            self._credentials.get(), region, call.method, host, path, search, digest, datetime.now(UTC), amazons
        )
        connection = self._connection(call.bucket, scheme, host)
        url = f"{path}?{search}" if search else path
        headers = {**others, **signed, "Content-Length": str(len(call.body))}
        connection.request(call.method, url, call.body, headers)
        return connection.getresponse()

    def _address(self, bucket: str, region: str) -> tuple[str, str, str]:
        """Return scheme, host, and the path that precedes the key."""
        if self.endpoint:
            parts = urlsplit(self.endpoint)
            return parts.scheme, parts.netloc, f"{parts.path.rstrip('/')}/{bucket}/"
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        if "." in bucket:  # the certificate's wildcard covers one label
            return "https", f"s3.{region}.{suffix}", f"/{bucket}/"
        return "https", f"{bucket}.s3.{region}.{suffix}", "/"

    def _connection(self, bucket: str, scheme: str, host: str) -> http.client.HTTPConnection:
        connections: dict[str, http.client.HTTPConnection] = self._local.__dict__
        if bucket not in connections:
            kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
            connections[bucket] = kind(host, timeout=self._timeout_s)
        return connections[bucket]

    def disconnect(self, bucket: str) -> None:
        """Close this thread's connection, since the rest of an unread response would precede the next response."""
        connection: http.client.HTTPConnection | None = self._local.__dict__.pop(bucket, None)
        if connection:
            connection.close()


def sign(
    credentials: Credentials,
    region: str,
    method: str,
    host: str,
    path: str,
    search: str,
    digest: str,
    now: datetime,
    more: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the headers that authenticate a request.

    Args:
        path: URL-encoded.
        search: URL-encoded query string.
        more: further headers to sign; S3 requires all `x-amz-` headers to be signed.
    """
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    if more:
        headers = dict(sorted({**headers, **more}.items()))
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = "\n".join((method, path, search, lines, names, digest))
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    signature = hmac.digest(_signing_key(credentials.secret_key, scope), text.encode(), "sha256").hex()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


@lru_cache(maxsize=8)
def _signing_key(secret_key: str, scope: str) -> bytes:
    key = b"AWS4" + secret_key.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def base64(digest: bytes) -> str:
    """Return a checksum in Base64, as in S3's headers."""
    return b64encode(digest).decode()


def _read_checked(answer: http.client.HTTPResponse) -> bytes:
    body = answer.read()
    check = checksums.by_headers(answer.headers)
    check.update(body)
    check.close()
    return body


def read_all(answer: http.client.HTTPResponse) -> bytes:
    return answer.read()


def _error_code(answer: http.client.HTTPResponse) -> str:
    code = answer.read().partition(b"<Code>")[2].partition(b"</Code>")[0].decode(errors="replace")
    return code or answer.reason


def _pause(attempt: int) -> None:
    """Wait before a retry: exponential backoff with full jitter, so that many tasks do not retry in step."""
    time.sleep(random.uniform(0, min(LONGEST_DELAY_S, 0.1 * 2**attempt)))  # noqa: S311 - no secret
