"""The rows of a run as S3 objects: the rows and an index of their offsets, with which a container reads its rows in two
small requests, independent of the number of rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hpc.contract.run_request import InputReference
from hpc.contract.s3_keys import RunPaths
from hpc.contract.task_layout import TASK_OFFSET, Range
from hpc.errors import HpcError
from hpc.request.tasks_file import BadRow, TasksFile


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of a run, as a first pass over the file counted and hashed them."""

    file: TasksFile
    only: tuple[Range, ...] | None
    count: int
    size: int
    """Bytes of the rows before local paths are replaced."""
    sha256: str
    """Of the rows before local paths are replaced."""
    column_roles: tuple[str, ...] = ()
    """Roles of the columns."""
    local_files: Mapping[str, InputReference] = field(default_factory=dict[str, InputReference])
    """References that replace local paths in cells of `--input` columns."""

    @property
    def upload_bytes(self) -> int:
        return self.size + TASK_OFFSET.size * (self.count + 1)

    def write(self, folder: Path, paths: RunPaths) -> list[tuple[Path, str]]:
        """Write both objects into a folder, row by row; return the files and their keys.

        Raises:
            HpcError: the tasks file has changed since it was checked, or the disk is full.
        """
        rows, index = folder / "tasks.jsonl", folder / "tasks.idx"
        digest = hashlib.sha256()
        try:
            with rows.open("wb") as rows_file, index.open("wb") as index_file:
                offset = 0
                for line in self.file.lines(self.only):
                    digest.update(line)
                    index_file.write(TASK_OFFSET.pack(offset))
                    offset += rows_file.write(self._with_files(line))
                index_file.write(TASK_OFFSET.pack(offset))
        except BadRow as error:
            raise HpcError(f"{error}; the file has changed since it was checked: submit again") from None
        except OSError as error:
            raise HpcError(
                f"the rows cannot be written to {folder}: {error.strerror}; set TMPDIR to another folder"
            ) from None
        if digest.hexdigest() != self.sha256:
            raise HpcError(f"{self.file.path} has changed since it was checked: submit again")
        return [(rows, paths.tasks), (index, paths.tasks_index)]

    def _with_files(self, line: bytes) -> bytes:
        """Return a row with references in place of local paths."""
        if not self.local_files:
            return line
        row: dict[str, str] = json.loads(line)
        for header, cell in row.items():
            if header.startswith("--input ") and cell in self.local_files:
                row[header] = json.dumps(self.local_files[cell].to_json())
        return json.dumps(row).encode() + b"\n"
