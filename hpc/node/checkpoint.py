"""The folder of a task that outlives an attempt: saved to S3 while the command runs, restored by the next attempt.

A manifest, written last, names the object of every file: what it does not name was never saved, so a half-sent
checkpoint is not restored. Files that are as the last manifest says are not sent again. A file that has changed goes to
the one of two objects that the manifest does not name.

Jobs may delete nothing. What is not needed any more is overwritten with nothing: it is an old version then, which the
bucket's lifecycle removes.

`python -m hpc.node.checkpoint FOLDER BUCKET PREFIX` saves once; hpc-node starts it while the command runs.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpc.common.file_tree import walk
from hpc.contract import exit_codes
from hpc.node import staging
from hpc.node.failure import Failure, say
from hpc.node.s3.client import S3, S3Error
from hpc.node.s3.download import Source

MANIFEST = "manifest.json"

File = dict[str, Any]
"""Of a manifest: path, key, size, mtime_ns, executable."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A folder, and where it is saved."""

    s3: S3
    bucket: str
    prefix: str
    """Ends in `/`."""
    folder: Path

    def restore(self) -> staging.TransferStats:
        """Make the folder what the last attempt saved; empty if there was none.

        Raises:
            Failure: it is there and cannot be fetched.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            files = self._manifest()
            sources = [self._source(file) for file in files]
            staging.check_room(sum(source.size for source in sources), self.folder)
            for parent in {source.path.parent for source in sources}:
                parent.mkdir(parents=True, exist_ok=True)
            moved = staging.fetch_all(self.s3, sources)
            for file, source in zip(files, sources, strict=True):
                os.utime(source.path, ns=(file["mtime_ns"], file["mtime_ns"]))
        except (S3Error, OSError, ValueError, KeyError, TypeError) as error:
            what = error.strerror if isinstance(error, OSError) else error
            raise Failure(exit_codes.STAGE_IN, f"the checkpoint of the last attempt: {what}") from error
        return moved

    def save(self) -> staging.TransferStats:
        """Send what has changed since the last time.

        Raises:
            Failure: it could not be sent, or a file changed meanwhile; what was saved before still stands.
        """
        try:
            before = self._manifest()
            now = self._look()
            same = {self._state(file): file["key"] for file in before}
            last = {file["path"]: file["key"] for file in before}
            files = [
                {**file, "key": same.get(self._state(file)) or self._other_key(file["path"], last)} for file in now
            ]
            if files == before:
                return staging.TransferStats()
            new = {file["key"]: self.folder / file["path"] for file in files if file["key"] not in same.values()}
            _, moved = staging.stage_out(self.s3, self.bucket, new, self.folder.parent)
            if self._look() != now:
                raise Failure(
                    exit_codes.STAGE_OUT,
                    f"a file in {self.folder} changed while it was sent; write it elsewhere and rename it into place",
                )
            self.s3.put(self.bucket, self.prefix + MANIFEST, json.dumps({"files": files}).encode())
        except (S3Error, OSError) as error:
            raise Failure(exit_codes.STAGE_OUT, str(error)) from error
        self._empty({file["key"] for file in before} - {file["key"] for file in files})
        return moved

    def _other_key(self, path: str, last: dict[str, str]) -> str:
        first = f"{self.prefix}a/{path}"
        return f"{self.prefix}b/{path}" if last.get(path) == first else first

    def remove(self) -> None:
        """Empty all of it, also that of other nodes: the task has succeeded."""
        try:
            self._empty({found.key for found in self.s3.list(self.bucket, self.prefix) if found.size})
        except S3Error as error:
            say(f"the checkpoint stays in S3: {error}")

    def _empty(self, keys: set[str]) -> None:
        for key in sorted(keys, reverse=True):  # manifests before what they name
            try:
                self.s3.put(self.bucket, key, b"")
            except S3Error as error:
                say(f"an old checkpoint stays in S3: {error}")
                return

    def _manifest(self) -> list[File]:
        found = self.s3.get_tagged(self.bucket, self.prefix + MANIFEST)
        return json.loads(found[0])["files"] if found and found[0] else []

    def _source(self, file: File) -> Source:
        path = self.folder / file["path"]
        if ".." in path.parts:
            raise ValueError(f"{file['path']} leads out of the folder")
        return Source(bucket=self.bucket, key=file["key"], path=path, size=file["size"], executable=file["executable"])

    def _look(self) -> list[File]:
        """Return what is in the folder; a file whose name begins with `.` is one that is being written."""
        files: list[File] = []
        for item in walk(self.folder, lambda name, _: name.rpartition("/")[2].startswith(".")):
            if not item.is_folder and not item.trouble:
                found = item.path.stat()
                files.append(
                    {
                        "path": item.name,
                        "size": found.st_size,
                        "mtime_ns": found.st_mtime_ns,
                        "executable": item.executable,
                    }
                )
        return files

    @staticmethod
    def _state(file: File) -> tuple[object, ...]:
        return file["path"], file["size"], file["mtime_ns"], file["executable"]


def main() -> int:
    folder, bucket, prefix = sys.argv[1:]
    try:
        moved = Checkpoint(s3=S3(), bucket=bucket, prefix=prefix, folder=Path(folder)).save()
    except Failure as failure:
        say(f"checkpoint: {failure}")
        return failure.exit_code
    if moved.files:
        say(f"checkpoint: {moved}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
