"""Many small files from or to S3 by s5cmd (https://github.com/peak/s5cmd), where the image has it.

It moves thousands of small files in less time than Python can. What it did is looked at afterwards, and whatever it
has not done, or not well, is left to `download` and `upload`, which try again, check and complain in their own words.
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

from hpc.node import checks, download
from hpc.node.download import Source
from hpc.node.s3 import S3, S3Error

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
    if not _etags_are_md5s(s3, sources):
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
    right = set[Source]()

    def look(source: Source) -> None:
        if _is_right(source):
            if source.executable:
                source.path.chmod(0o755)
            right.add(source)

    with ThreadPoolExecutor(CHECKERS) as pool:
        for path in _run(s3, command):
            if source := by_path.get(path):
                pool.submit(look, source)
    return [source for source in sources if source not in right]


def _etags_are_md5s(s3: S3, sources: Sequence[Source]) -> bool:
    """Return whether what s5cmd fetches can be checked: ETags are all that is known of it, and they say nothing where
    a key of KMS encrypts. One object tells."""
    for source in sources:
        if not checks.by_etag(source.etag).agrees_to_all:
            try:
                download.fetch(s3, source)
            except S3Error:
                return False
            return _is_right(source)
    return False


def _is_right(source: Source) -> bool:
    check = checks.by_sha256(source.sha256) if source.sha256 else checks.by_etag(source.etag)
    try:
        with source.path.open("rb", buffering=0) as file:
            checks.check_file(file.fileno(), check)
            return not check.agrees_to_all
    except (HTTPException, OSError):
        return False
