"""Files of this machine that a run needs, and where they go in the data bucket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hpc import contract
from hpc.spec import Input, JobSpec


@dataclass(frozen=True)
class Upload:
    """A local file and the key that it gets in the data bucket."""

    path: Path
    key: str


def uploads(spec: JobSpec, paths: contract.RunPaths) -> Iterator[Upload]:
    for item in spec.inputs:
        if item.is_uri:
            continue
        if item.path.is_dir():
            for path in sorted(path for path in item.path.rglob("*") if path.is_file()):
                yield Upload(path, paths.input(item.name, path.relative_to(item.path).as_posix()))
        else:
            yield Upload(item.path, paths.input(item.name, item.path.name))


def uri(item: Input, paths: contract.RunPaths, bucket: str) -> str:
    if item.is_uri:
        return item.source
    return f"s3://{bucket}/{paths.input(item.name, '' if item.path.is_dir() else item.path.name)}"
