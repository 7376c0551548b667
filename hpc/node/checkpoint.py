"""Checkpoint folder of a task: saved to S3 while the command runs, restored by the next attempt.

A manifest, written last, maps every file to its object. Objects that it does not name do not count, so a partly
uploaded checkpoint is never restored. Files that have not changed since the last manifest are not uploaded again. A
changed file goes to the one of its two objects that the manifest does not name.

Jobs may not delete objects. An object that is no longer needed is overwritten with an empty one, and the bucket's
lifecycle rule removes the old version.

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
"""Name of the manifest below the checkpoint's prefix."""

File = dict[str, Any]
"""Entry of a manifest: path, key, size, mtime_ns, executable."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A folder and the prefix in S3 to which it is saved."""

    s3: S3
    bucket: str
    prefix: str
    """Ends in `/`."""
    folder: Path

    def restore(self) -> staging.TransferStats:
        """Restore the folder that the last attempt saved; it is empty if there was none.

        Raises:
            Failure: there is a checkpoint and it cannot be fetched.
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
            reason = error.strerror if isinstance(error, OSError) else error
            raise Failure(
                exit_codes.STAGE_IN, f"cannot restore the checkpoint of the last attempt: {reason}"
            ) from error
        return moved

    def save(self) -> staging.TransferStats:
        """Upload the files that have changed since the last save.

        Raises:
            Failure: an upload failed, or a file changed meanwhile; the previous checkpoint remains valid.
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
                    f"a file in {self.folder} changed during the upload; write files elsewhere and rename them into"
                    " place",
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
        """Empty the checkpoint, including those of other nodes, after the task has succeeded."""
        try:
            self._empty({listed.key for listed in self.s3.list(self.bucket, self.prefix) if listed.size})
        except S3Error as error:
            say(f"cannot remove the checkpoint from S3: {error}")

    def _empty(self, keys: set[str]) -> None:
        for key in sorted(keys, reverse=True):  # a manifest before the objects that it names
            try:
                self.s3.put(self.bucket, key, b"")
            except S3Error as error:
                say(f"cannot remove an old checkpoint from S3: {error}")
                return

    def _manifest(self) -> list[File]:
        stored = self.s3.get_tagged(self.bucket, self.prefix + MANIFEST)
        return json.loads(stored[0])["files"] if stored and stored[0] else []

    def _source(self, file: File) -> Source:
        path = self.folder / file["path"]
        if ".." in path.parts:
            raise ValueError(f"{file['path']} is outside the checkpoint folder")
        return Source(bucket=self.bucket, key=file["key"], path=path, size=file["size"], executable=file["executable"])

    def _look(self) -> list[File]:
        """Return the files in the folder, except those whose name begins with `.`, which are still being written."""
        files: list[File] = []
        for item in walk(self.folder, lambda name, _: name.rpartition("/")[2].startswith(".")):
            if not item.is_folder and not item.trouble:
                status = item.path.stat()
                files.append(
                    {
                        "path": item.name,
                        "size": status.st_size,
                        "mtime_ns": status.st_mtime_ns,
                        "executable": item.executable,
                    }
                )
        return files

    @staticmethod
    def _state(file: File) -> tuple[object, ...]:
        return file["path"], file["size"], file["mtime_ns"], file["executable"]


def main() -> int:
    """Save the checkpoint given as arguments; return the exit code."""
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
