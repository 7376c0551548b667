"""Transfer of many small files with s5cmd (https://github.com/peak/s5cmd), if the image has it.

It moves thousands of small files in less time than Python. Its work is verified afterwards; files that are missing or
damaged are left to `download` and `upload`, which retry, verify and report errors.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from hpc.node.s3 import download
from hpc.node.s3.client import S3, S3Error
from hpc.node.s3.download import Source

MANY = 200
"""Number of files from which s5cmd is faster, including its start and the verification."""
SMALL = 256 << 10
"""Maximum average bytes per file: larger files are as fast in Python, which verifies them during the transfer."""
CHECKERS = 8
"""Maximum number of threads that verify files."""
CHECKER_BYTES = 16 << 10
"""Average bytes per file for each additional verifying thread: with small files the threads block each other."""
BATCH = 100
"""Files that a thread verifies per work item."""
HEAP = {"GOGC": "400", "GOMEMLIMIT": "64MiB"}
"""Settings of Go's garbage collector. By default it runs whenever the heap has doubled, which takes an eighth of
s5cmd's time. With these, s5cmd uses 15 MiB more, and near the limit collects as often as needed
(https://go.dev/doc/gc-guide)."""


def fetch_folder(s3: S3, uri: str, target: Path, sources: Sequence[Source]) -> list[Source]:
    """Fetch the objects below a URI that ends in `/`, if they are many small ones; return those still to be fetched."""
    if (program := _program([source.size for source in sources])) is None or re.search(r"[*?\[\]\\]", uri):
        return list(sources)
    if not _etags_are_md5s(s3, sources):
        return list(sources)
    return _fetch(s3, [program, "cp", f"{uri}*", f"{target}/"], sources)


def fetch_objects(s3: S3, scratch: Path, sources: Sequence[Source]) -> list[Source]:
    """Fetch objects whose names differ from those of the files; return those still to be fetched."""
    if (program := _program([source.size for source in sources])) is None:
        return list(sources)
    named = [source for source in sources if str(source.path).isprintable()]  # s5cmd reads one command per line
    from tempfile import NamedTemporaryFile

    with NamedTemporaryFile("w", dir=scratch, prefix=".s5cmd-") as lines:
        lines.writelines(f"cp --raw {source.name} {shlex.quote(str(source.path))}\n" for source in named)
        lines.flush()
        return _fetch(s3, [program, "run", lines.name], sources)


def send(s3: S3, bucket: str, files: Mapping[str, tuple[Path, int]], scratch: Path) -> set[str]:
    """Upload files, given by key with their size, if they are many and small; return the keys still to be written.

    S3 verifies a checksum of each file.
    """
    remaining = set(files)
    if (program := _program([size for _, size in files.values()])) is None:
        return remaining
    from tempfile import TemporaryDirectory, TemporaryFile

    with TemporaryDirectory(dir=scratch, prefix=".s5cmd-") as name:
        made = set[str]()
        for key, (path, _) in files.items():  # os takes half the time of pathlib
            if os.path.normpath(key) != key:  # the key is not a normalized path, as in a//b
                continue
            link = f"{name}/{key}"
            if (parent := os.path.dirname(link)) not in made:  # noqa: PTH120
                os.makedirs(parent, exist_ok=True)  # noqa: PTH103
                made.add(parent)
            os.symlink(path, link)  # noqa: PTH211
        with TemporaryFile(dir=scratch) as log:
            _run(s3, [program, "cp", f"{name}/", f"s3://{bucket}/"], log)
            log.seek(0)
            for line in log:
                with contextlib.suppress(ValueError, KeyError):
                    record = json.loads(str(line, "utf-8"))
                    if record["success"]:
                        remaining.discard(record["destination"].removeprefix(f"s3://{bucket}/"))
    return remaining


def _program(sizes: Sequence[int]) -> str | None:
    """Return the path of s5cmd if it is installed and the files are many and small; else None."""
    return shutil.which("s5cmd") if len(sizes) >= MANY and sum(sizes) <= SMALL * len(sizes) else None


def _run(s3: S3, command: list[str], output: IO[bytes] | int = subprocess.DEVNULL) -> None:
    """Run s5cmd to its end. Its output goes to a file or nowhere: through a pipe, every line would wake two
    processes."""
    program, *arguments = command
    endpoint = ["--endpoint-url", s3.endpoint] if s3.endpoint else []
    level = ["--log", "error"] if output == subprocess.DEVNULL else ["--json"]
    subprocess.run(
        [program, *level, *endpoint, *arguments],
        env={**HEAP, **os.environ, "AWS_REGION": s3.region},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.DEVNULL,
        check=False,
    )


def _fetch(s3: S3, command: list[str], sources: Sequence[Source]) -> list[Source]:
    from concurrent.futures import ThreadPoolExecutor

    _run(s3, command)
    batches = (sources[start : start + BATCH] for start in range(0, len(sources), BATCH))
    average = sum(source.size for source in sources) // len(sources)
    with ThreadPoolExecutor(min(CHECKERS, 1 + average // CHECKER_BYTES)) as pool:
        return [source for damaged in pool.map(_damaged, batches) for source in damaged]


def _damaged(sources: Sequence[Source]) -> list[Source]:
    """Return the sources whose files do not match the known checksum; set the mode of the others."""
    damaged = list[Source]()
    for source in sources:
        if not _is_intact(source):
            damaged.append(source)
        elif source.executable:
            source.path.chmod(0o755)
    return damaged


def _etags_are_md5s(s3: S3, sources: Sequence[Source]) -> bool:
    """Return whether the files of s5cmd can be verified by their ETags, which are no MD5s if a KMS key encrypts.

    One object is fetched to find out.
    """
    one = next((source for source in sources if "-" not in source.etag), None)
    if one is None:
        return False
    try:
        download.fetch(s3, one)
    except S3Error:
        return False
    return _is_intact(one)


def _is_intact(source: Source) -> bool:
    content = hashlib.sha256() if source.sha256 else hashlib.md5(usedforsecurity=False)
    try:
        file = os.open(source.path, os.O_RDONLY)  # takes a third of the time of Path.open
        try:
            while data := os.read(file, 1 << 20):
                content.update(data)
        finally:
            os.close(file)
    except OSError:
        return False
    return content.hexdigest() == (source.sha256 or source.etag)
