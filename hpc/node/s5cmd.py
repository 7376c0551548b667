"""Many small files from or to S3 by s5cmd (https://github.com/peak/s5cmd), where the image has it.

It moves thousands of small files in less time than Python can. What it did is looked at afterwards, and whatever it
has not done, or not well, is left to `transfer`, which tries again, checks and complains in its own words.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path

from hpc.node import checks, transfer
from hpc.node.s3 import S3, S3Error
from hpc.node.transfer import Source

MANY = 200
"""Files from which it is faster, its start and the look at its work included."""
SMALL = 256 << 10
"""Bytes that they have at most on average: larger ones go as fast in Python, which checks them on the way."""
CHECKERS = 4


def fetch_folder(s3: S3, uri: str, target: Path, sources: Sequence[Source]) -> list[Source]:
    """Fetch what is below an address that ends in `/`, if it is many small files; return what is still to be
    fetched."""
    if (program := _program([source.size for source in sources])) is None or re.search(r"[*?\[\]\\]", uri):
        return list(sources)
    return _fetch(s3, [program, *_endpoint(s3), "cp", f"{uri}*", f"{target}/"], sources)


def fetch_objects(s3: S3, scratch: Path, sources: Sequence[Source]) -> list[Source]:
    """Fetch objects whose names are not those of the files; return those that are still to be fetched."""
    if (program := _program([source.size for source in sources])) is None:
        return list(sources)
    named = [source for source in sources if str(source.path).isprintable()]  # a command is a line
    from tempfile import NamedTemporaryFile

    with NamedTemporaryFile("w", dir=scratch, prefix=".s5cmd-") as lines:
        lines.writelines(f"cp --raw {source.name} {shlex.quote(str(source.path))}\n" for source in named)
        lines.flush()
        return _fetch(s3, [program, *_endpoint(s3), "run", lines.name], sources)


def send(s3: S3, bucket: str, files: Mapping[str, tuple[Path, int]], scratch: Path) -> set[str]:
    """Send files, given by key with their size, if they are many and small; return the keys that are still to be
    written. S3 compares a checksum of each with what arrives."""
    left = set(files)
    if (program := _program([size for _, size in files.values()])) is None:
        return left
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(dir=scratch, prefix=".s5cmd-") as name:
        made = set[Path]()
        for key, (path, _) in files.items():
            link = Path(name, key)
            if str(link) != f"{name}/{key}":  # a key that is no path, as in a//b
                continue
            if link.parent not in made:
                link.parent.mkdir(parents=True, exist_ok=True)
                made.add(link.parent)
            link.symlink_to(path)
        for done in _run(s3, [program, *_endpoint(s3), "cp", f"{name}/", f"s3://{bucket}/"]):
            left.discard(done.removeprefix(f"s3://{bucket}/"))
    return left


def _program(sizes: Sequence[int]) -> str | None:
    """Return s5cmd if it is there and the files are for it."""
    return shutil.which("s5cmd") if len(sizes) >= MANY and sum(sizes) <= SMALL * len(sizes) else None


def _endpoint(s3: S3) -> list[str]:
    return ["--json", *(["--endpoint-url", s3.endpoint] if s3.endpoint else [])]


def _run(s3: S3, command: list[str]) -> Iterator[str]:
    """Yield where it says that it has copied something."""
    process = subprocess.Popen(
        command,
        env={**os.environ, "AWS_REGION": s3.region},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout  # noqa: S101 - it is a pipe
    try:
        for line in process.stdout:
            with contextlib.suppress(ValueError, KeyError):
                record = json.loads(line)
                if record["success"]:
                    yield record["destination"]
    finally:
        process.stdout.close()
        process.kill()  # it has ended, but where we are interrupted
        process.wait()


def _fetch(s3: S3, command: list[str], sources: Sequence[Source]) -> list[Source]:
    from concurrent.futures import ThreadPoolExecutor

    by_path = {str(source.path): source for source in sources}
    looked = _Looked(s3)
    with ThreadPoolExecutor(CHECKERS) as pool:
        for path in _run(s3, command):
            if source := by_path.get(path):
                pool.submit(looked.look, source)
    return [source for source in sources if source not in looked.right]


class _Looked:
    """The files that are what S3 has. An ETag may be an MD5 or not: of a bucket where it is none, which shows when an
    object that was fetched anew and checked does not agree with it either, the size alone is looked at."""

    def __init__(self, s3: S3) -> None:
        self._s3 = s3
        self._no_md5 = set[str]()
        self.right = set[Source]()

    def look(self, source: Source) -> None:
        if source.sha256:
            right = _has(source, checks.by_sha256(source.sha256))
        elif source.bucket in self._no_md5:
            right = _has(source, checks.Check())
        else:
            right = _has(source, checks.by_etag(source.etag)) or self._fetch_anew(source)
        if right:
            if source.executable:
                source.path.chmod(0o755)
            self.right.add(source)

    def _fetch_anew(self, source: Source) -> bool:
        try:
            transfer.fetch(self._s3, source)
        except S3Error:
            return False
        if not _has(source, checks.by_etag(source.etag)):
            self._no_md5.add(source.bucket)
        return True


def _has(source: Source, check: checks.Check) -> bool:
    try:
        with source.path.open("rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size != source.size:
                return False
            checks.check_file(file.fileno(), check)
    except (HTTPException, OSError):
        return False
    return True
