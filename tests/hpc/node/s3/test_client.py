"""Signed requests, compared with botocore's signer and sent to an emulated S3."""

from __future__ import annotations

import base64
import hashlib
import http.client
import zlib
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar
from unittest.mock import patch
from urllib.parse import quote, urlencode

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from hpc.node.s3 import client as module
from hpc.node.s3.client import S3, S3Error, sign
from hpc.node.s3.credentials import Credentials
from hpc.node.s3.download import Source, fetch

KEYS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)


@given(key=KEYS, prefix=KEYS, token=st.sampled_from(["", "session/token+="]), body=st.binary(max_size=20))
def test_the_signature_is_the_one_that_botocore_makes(key: str, prefix: str, token: str, body: bytes) -> None:
    now = datetime(2026, 11, 22, 17, 33, 55, tzinfo=UTC)
    path = "/" + quote(key, safe="/-_.~")
    search = urlencode({"list-type": "2", "prefix": prefix}, quote_via=quote, safe="-_.~")
    digest = hashlib.sha256(body).hexdigest()
    ours = sign(
        Credentials(access_key="AK", secret_key="SK", token=token),
        "eu-west-1",
        "PUT",
        "bucket.s3.eu-west-1.amazonaws.com",
        path,
        search,
        digest,
        now,
    )
    request = AWSRequest("PUT", f"https://bucket.s3.eu-west-1.amazonaws.com{path}?{search}", data=body)
    request.headers["x-amz-content-sha256"] = digest
    request.context["payload_signing_enabled"] = True
    with patch("botocore.auth.get_current_datetime", return_value=now.replace(tzinfo=None)):
        S3SigV4Auth(BotoCredentials("AK", "SK", token or None), "s3", "eu-west-1").add_auth(request)
    assert ours["Authorization"] == request.headers["Authorization"]


@pytest.mark.parametrize(
    ("bucket", "region", "address"),
    [
        ("data", "eu-west-1", ("https", "data.s3.eu-west-1.amazonaws.com", "/")),
        ("my.data", "eu-west-1", ("https", "s3.eu-west-1.amazonaws.com", "/my.data/")),
        ("data", "cn-north-1", ("https", "data.s3.cn-north-1.amazonaws.com.cn", "/")),
    ],
)
def test_a_bucket_has_the_address_of_its_region(bucket: str, region: str, address: tuple[str, str, str]) -> None:
    assert S3({"AWS_REGION": region})._address(bucket, region) == address


class Faulty(BaseHTTPRequestHandler):
    """An S3 with prepared responses: (status, headers, body), or None for a broken connection."""

    protocol_version = "HTTP/1.1"
    answers: ClassVar[list[Any]] = []
    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.seen.append(self.headers["Authorization"])
        answer = self.answers.pop(0)
        if answer is None:
            self.close_connection = True
            return
        status, headers, body = answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = "Content-Length" in headers

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def faulty() -> Any:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Faulty)
    server.daemon_threads = True  # one may be waiting for the next request
    thread = Thread(target=server.serve_forever)
    thread.start()
    Faulty.answers.clear()
    Faulty.seen.clear()
    env = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK", "AWS_REGION": "us-east-1"}
    with patch.object(module, "LONGEST_DELAY_S", 0.01):
        yield S3({**env, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"})
    server.shutdown()
    thread.join()
    server.server_close()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code></Error>".encode()


def test_a_busy_service_and_a_broken_connection_are_tried_again(faulty: S3) -> None:
    Faulty.answers += [(503, {}, error("SlowDown")), None, (500, {}, error("InternalError")), (200, {}, b"here")]
    assert faulty.get("data", "key") == b"here"


def test_a_refusal_is_not_tried_again(faulty: S3) -> None:
    Faulty.answers += [(403, {}, error("AccessDenied")), (200, {}, b"here")]
    with pytest.raises(S3Error, match=r"GET s3://data/key: AccessDenied \(403\)"):
        faulty.get("data", "key")


def test_the_attempts_are_bounded(faulty: S3) -> None:
    Faulty.answers += [(503, {}, error("SlowDown"))] * 20
    with pytest.raises(S3Error, match="SlowDown"):
        faulty.get("data", "key")
    assert len(Faulty.seen) == module.ATTEMPTS


def test_a_bucket_of_another_region_is_asked_there(faulty: S3) -> None:
    Faulty.answers += [(301, {"x-amz-bucket-region": "eu-west-1"}, error("PermanentRedirect")), (200, {}, b"here")]
    assert faulty.get("data", "key") == b"here"
    assert "/eu-west-1/s3/" in Faulty.seen[1]


def test_a_file_that_was_cut_short_is_fetched_again(faulty: S3, tmp_path: Path) -> None:
    Faulty.answers += [(200, {"Content-Length": "9"}, b"half"), (200, {}, b"the whole")]
    fetch(faulty, Source(bucket="data", key="key", path=tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "the whole"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_not_tried_again(faulty: S3, tmp_path: Path) -> None:
    Faulty.answers += [(200, {}, b"here")] * 2
    with pytest.raises(S3Error, match="No such file or directory"):
        fetch(faulty, Source(bucket="data", key="key", path=tmp_path / "no" / "folder"))
    assert Faulty.seen == []


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(b"right").digest()).decode()},
        {"x-amz-checksum-sha1": base64.b64encode(hashlib.sha1(b"right", usedforsecurity=False).digest()).decode()},
        {"x-amz-checksum-crc32": base64.b64encode(zlib.crc32(b"right").to_bytes(4, "big")).decode()},
        {"ETag": md5(b"right")},
        {"ETag": f'"{md5(b"right")}"', "x-amz-server-side-encryption": "AES256"},
    ],
)
def test_other_content_than_s3_has_is_fetched_again(faulty: S3, tmp_path: Path, headers: dict[str, str]) -> None:
    Faulty.answers += [(200, headers, b"wrong"), (200, headers, b"right")]
    fetch(faulty, Source(bucket="data", key="key", path=tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "right"


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": md5(b"other"), "x-amz-server-side-encryption": "aws:kms"},
        {"ETag": f"{md5(b'other')}-2"},
        {"x-amz-checksum-sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-2"},  # of parts
        {"x-amz-checksum-xxhash3": "AAAAAAAAAAA="},
    ],
)
def test_what_is_no_checksum_of_the_content_is_not_taken_for_one(
    faulty: S3, tmp_path: Path, headers: dict[str, str]
) -> None:
    Faulty.answers += [(200, headers, b"right")]
    fetch(faulty, Source(bucket="data", key="key", path=tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "right"


def test_content_that_stays_wrong_is_told(faulty: S3, tmp_path: Path) -> None:
    Faulty.answers += [(200, {"ETag": md5(b"right")}, b"wrong")] * module.ATTEMPTS
    with pytest.raises(S3Error, match=r"the content has MD5 .*, expected"):
        fetch(faulty, Source(bucket="data", key="key", path=tmp_path / "file"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_object_is_created_once(job: Any) -> None:
    s3 = S3({**job.environment()})
    assert s3.create("data", f"{job.run_id}/lease", b"1")
    assert not s3.create("data", f"{job.run_id}/lease", b"2")
    assert s3.get("data", f"{job.run_id}/lease") == b"1"


@pytest.mark.slow
def test_a_listing_of_many_pages_is_complete(job: Any, tmp_path: Path) -> None:
    s3 = S3({**job.environment()})
    names = [f"{job.run_id}/many/{number:04} ä+%" for number in range(1005)]
    for name in names:
        s3.put("data", name, b"x")
    assert [found[:2] for found in s3.list("data", f"{job.run_id}/many/")] == [(name, 1) for name in names]


@pytest.mark.slow
def test_a_range_of_an_object_is_read_alone(job: Any) -> None:
    s3 = S3({**job.environment()})
    s3.put("data", f"{job.run_id}/range", b"0123456789")
    assert s3.get("data", f"{job.run_id}/range", 3, 6) == b"345"
    assert s3.get("data", f"{job.run_id}/range", 8, 99) == b"89"
    with pytest.raises(S3Error, match="416"):
        s3.get("data", f"{job.run_id}/range", 10, 12)
    assert isinstance(s3._connection("x", "http", "127.0.0.1"), http.client.HTTPConnection)
