"""Downloaded outputs are what S3 has: checked by the SDK, or by `hpc` where the SDK does not."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from hpc.errors import HpcError
from hpc.runs.download import ATTEMPTS, fetch
from hpc.runs.outputs import Output

NAME = "b" * 255
"""The longest file name that Linux allows."""
PART = 300_000
CONTENT = bytes(range(256)) * 4000
PARTS = [CONTENT[start : start + PART] for start in range(0, len(CONTENT), PART)]
MD5_OF_PARTS = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in PARTS)).hexdigest()  # noqa: S324
OF_PARTS = f'"{MD5_OF_PARTS}-{len(PARTS)}"'
OF_ALL = f'"{hashlib.md5(CONTENT).hexdigest()}"'  # noqa: S324
UNKNOWN = f'"{"0" * 32}-{len(PARTS)}"'
KMS = {"x-amz-server-side-encryption": "aws:kms"}


def sha256(content: bytes) -> dict[str, str]:
    return {"x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(content).digest()).decode()}


@dataclass
class OneObject:
    """S3 with one object of several parts, or of one; a part is answered as documented for GetObject."""

    etag: str = OF_PARTS
    keeps_sha256: bool = False
    headers: dict[str, str] = field(default_factory=dict[str, str])
    damaged: int = 0
    """Number of the next answers that have a wrong byte."""
    cut: int = 0
    tells_place: bool = True
    asked: list[str] = field(default_factory=list[str])
    lock: threading.Lock = field(default_factory=threading.Lock)
    client: Any = None

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        number = int((re.findall(r"partNumber=(\d+)", request.path) or ["0"])[0])
        body = PARTS[number - 1] if number else CONTENT
        headers = {"ETag": self.etag, "Content-Length": str(len(body)), **self.headers}
        if number:
            start = (number - 1) * PART
            if self.tells_place:
                headers["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/{len(CONTENT)}"
            headers["x-amz-mp-parts-count"] = str(len(PARTS))
        if self.keeps_sha256:
            headers |= sha256(body)
        with self.lock:
            self.asked.append(f"{request.path} {request.headers['If-Match']}")
            damaged, self.damaged = self.damaged > 0, self.damaged - 1
            cut, self.cut = self.cut > 0 and not damaged, self.cut - 1
        request.send_response(206 if number else 200)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(bytes([body[0] ^ 1]) + body[1:] if damaged else body[: 1000 if cut else None])
        request.close_connection = cut

    def fetch(self, folder: Path) -> bytes:
        moved: list[int] = []
        output = Output(f"runs/r/outputs/0/{NAME}", len(CONTENT), self.etag)
        (path,) = fetch(self.client, "data", "runs/r/outputs/", [output], folder, moved.append)
        assert path == folder / "0" / NAME
        assert sum(moved) >= len(CONTENT)
        return path.read_bytes()


@pytest.fixture
def s3() -> Iterator[OneObject]:
    one = OneObject()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            one.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    one.client = boto3.Session().client("s3", endpoint_url=url, region_name="us-east-1", **keys)
    yield one
    one.client.close()
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_output_of_parts_is_fetched_in_these_and_of_one_state(s3: OneObject, tmp_path: Path) -> None:
    s3.keeps_sha256 = True
    assert s3.fetch(tmp_path) == CONTENT
    assert len(s3.asked) == len(PARTS)
    assert all(f"partNumber={number}" in " ".join(s3.asked) for number in range(1, len(PARTS) + 1))
    assert all(OF_PARTS in request for request in s3.asked)


@pytest.mark.parametrize("damage", [{"damaged": 3}, {"cut": 3}])
def test_a_part_that_has_a_checksum_and_arrives_damaged_is_fetched_again(
    s3: OneObject, tmp_path: Path, damage: dict[str, int]
) -> None:
    s3.keeps_sha256, s3.headers, s3.etag = True, KMS, UNKNOWN
    vars(s3).update(damage)
    assert s3.fetch(tmp_path) == CONTENT
    assert len(s3.asked) == len(PARTS) + 3


def test_parts_without_checksums_are_held_against_the_etag_that_is_made_of_them(s3: OneObject, tmp_path: Path) -> None:
    s3.damaged = 1
    assert s3.fetch(tmp_path) == CONTENT
    assert len(s3.asked) == 2 * len(PARTS)


def test_an_object_without_a_checksum_is_held_against_its_etag(s3: OneObject, tmp_path: Path) -> None:
    s3.etag, s3.damaged = OF_ALL, 1
    assert s3.fetch(tmp_path) == CONTENT
    assert len(s3.asked) == 2


def test_an_etag_under_a_key_of_kms_is_not_believed_to_be_one_of_the_content(s3: OneObject, tmp_path: Path) -> None:
    s3.headers, s3.etag = KMS, UNKNOWN
    assert s3.fetch(tmp_path) == CONTENT


@pytest.mark.parametrize("etag", [OF_PARTS, OF_ALL])
def test_repeated_damage_is_an_error_and_leaves_no_file(s3: OneObject, tmp_path: Path, etag: str) -> None:
    s3.etag, s3.damaged = etag, 1000
    with pytest.raises(HpcError, match=r"s3://data/runs/r/outputs/0/b+: the content has .*; fetch again"):
        s3.fetch(tmp_path)
    assert len(s3.asked) == ATTEMPTS * (len(PARTS) if etag == OF_PARTS else 1)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_part_that_does_not_say_where_it_belongs_is_not_written_anywhere(s3: OneObject, tmp_path: Path) -> None:
    s3.keeps_sha256, s3.tells_place = True, False
    with pytest.raises(HpcError, match="S3 answered with the range ''; fetch again"):
        s3.fetch(tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_name_that_leads_out_of_the_folder_is_refused_before_anything_is_written(
    s3: OneObject, tmp_path: Path
) -> None:
    with pytest.raises(HpcError, match="leads out of the folder"):
        fetch(s3.client, "data", "runs/", [Output("runs/../../etc/passwd", 1)], tmp_path / "out", lambda _: None)
    assert not (tmp_path / "out").exists()
