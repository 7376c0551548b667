"""Many small files from or to S3 by s5cmd (https://github.com/peak/s5cmd), where the image has it.

It moves thousands of small files in less time than Python can. What it did is looked at afterwards, and whatever it
has not done, or not well, is left to `download` and `upload`, which try again, check and complain in their own words.
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
"""Files from which it is faster, its start and the look at its work included."""
SMALL = 256 << 10
"""Bytes that they have at most on average: larger ones go as fast in Python, which checks them on the way."""
CHECKERS = 8
CHECKER_BYTES = 16 << 10
"""One of them more for each so many bytes that a file has on average: with small files they wait for each other."""
BATCH = 100
"""Files that one of them looks at in one go."""
HEAP = {"GOGC": "400", "GOMEMLIMIT": "64MiB"}
"""To collect garbage takes an eighth of its time, for Go does so whenever its memory has doubled. Now it takes 15 MiB
more of it first, and near the limit collects as often as it must (https://go.dev/doc/gc-guide)."""


def fetch_folder(s3: S3, uri: str, target: Path, sources: Sequence[Source]) -> list[Source]:
    """Fetch what is below an address that ends in `/`, if it is many small files; return what is still to be
    fetched."""
    if (program := _program([source.size for source in sources])) is None or re.search(r"[*?\[\]\\]", uri):
        return list(sources)
    if not _etags_are_md5s(s3, sources):
        return list(sources)
    return _fetch(s3, [program, "cp", f"{uri}*", f"{target}/"], sources)


def fetch_objects(s3: S3, scratch: Path, sources: Sequence[Source]) -> list[Source]:
    """Fetch objects whose names are not those of the files; return those that are still to be fetched."""
    if (program := _program([source.size for source in sources])) is None:
        return list(sources)
    named = [source for source in sources if str(source.path).isprintable()]  # a command is a line
    from tempfile import NamedTemporaryFile

    with NamedTemporaryFile("w", dir=scratch, prefix=".s5cmd-") as lines:
        lines.writelines(f"cp --raw {source.name} {shlex.quote(str(source.path))}\n" for source in named)
        lines.flush()
        return _fetch(s3, [program, "run", lines.name], sources)


def send(s3: S3, bucket: str, files: Mapping[str, tuple[Path, int]], scratch: Path) -> set[str]:
    """Send files, given by key with their size, if they are many and small; return the keys that are still to be
    written. S3 compares a checksum of each with what arrives."""
    left = set(files)
    if (program := _program([size for _, size in files.values()])) is None:
        return left
    from tempfile import TemporaryDirectory, TemporaryFile

    with TemporaryDirectory(dir=scratch, prefix=".s5cmd-") as name:
        made = set[str]()
        for key, (path, _) in files.items():  # by os, in half the time
            if os.path.normpath(key) != key:  # a key that is no path, as in a//b
                continue
            link = f"{name}/{key}"
            if (parent := os.path.dirname(link)) not in made:  # noqa: PTH120
                os.makedirs(parent, exist_ok=True)  # noqa: PTH103
                made.add(parent)
            os.symlink(path, link)  # noqa: PTH211
        with TemporaryFile(dir=scratch) as said:
            _run(s3, [program, "cp", f"{name}/", f"s3://{bucket}/"], said)
            said.seek(0)
            for line in said:
                with contextlib.suppress(ValueError, KeyError):
                    record = json.loads(str(line, "utf-8"))
                    if record["success"]:
                        left.discard(record["destination"].removeprefix(f"s3://{bucket}/"))
    return left


def _program(sizes: Sequence[int]) -> str | None:
    """Return s5cmd if it is there and the files are for it."""
    return shutil.which("s5cmd") if len(sizes) >= MANY and sum(sizes) <= SMALL * len(sizes) else None


def _run(s3: S3, command: list[str], output: IO[bytes] | int = subprocess.DEVNULL) -> None:
    """Run it to its end; what it says goes where nobody waits for it, for every line would wake two processes."""
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
        return [source for left in pool.map(_left, batches) for source in left]


def _left(sources: Sequence[Source]) -> list[Source]:
    """Return those that are not what S3 has, as far as is known of it."""
    left = list[Source]()
    for source in sources:
        if not _is_right(source):
            left.append(source)
        elif source.executable:
            source.path.chmod(0o755)
    return left


def _etags_are_md5s(s3: S3, sources: Sequence[Source]) -> bool:
    """Return whether what s5cmd fetches can be checked: ETags are all that is known of it, and they say nothing where
    a key of KMS encrypts. One object tells."""
    one = next((source for source in sources if "-" not in source.etag), None)
    if one is None:
        return False
    try:
        download.fetch(s3, one)
    except S3Error:
        return False
    return _is_right(one)


def _is_right(source: Source) -> bool:
    content = hashlib.sha256() if source.sha256 else hashlib.md5(usedforsecurity=False)
    try:
        file = os.open(source.path, os.O_RDONLY)  # in a third of the time that Path.open takes
        try:
            while data := os.read(file, 1 << 20):
                content.update(data)
        finally:
            os.close(file)
    except OSError:
        return False
    return content.hexdigest() == (source.sha256 or source.etag)
