"""What is wrong with the files that a request names, whatever the environment. Calls no service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hpc import secret_values, wanted
from hpc.limits import MAX_ARGUMENT_BYTES
from hpc.spec import Input, JobSpec


def check_data(spec: JobSpec) -> Iterator[str]:
    for item in spec.inputs:
        yield from _check_input(item)
    for text in spec.outputs:
        yield from wanted.check(text)
    yield from _check_destinations(spec)
    if spec.workdir is not None and not spec.workdir.is_dir():
        yield f"--workdir {spec.workdir}: no such folder here"
    if spec.script is not None:
        yield from _check_script(spec.script)
    yield from secret_values.check(spec.command, spec.environment)
    for number, word in enumerate(spec.command, start=1):
        size = len(word.encode(errors="surrogateescape"))
        if size > MAX_ARGUMENT_BYTES:
            yield (
                f"word {number} of the command has {size:,} bytes; Linux takes {MAX_ARGUMENT_BYTES:,} in one argument:"
                " send it as a file, --script FILE or --input NAME=FILE"
            )


def _check_input(item: Input) -> Iterator[str]:
    flag = f"--input {item.name}={item.source}"
    if item.is_uri:
        if complaint := check_uri(item.source):
            yield f"--input {item.name}={complaint}"
    elif not item.path.exists():
        yield f"{flag}: no such file or folder here; paths are relative to the folder you are in"


def check_uri(source: str) -> str | None:
    """Return what is wrong with the form of an object's address, None if nothing is."""
    bucket, _, key = source.removeprefix("s3://").partition("/")
    if source.startswith("s3://") and bucket and key:
        return None
    return f"{source}: write s3://bucket/key for an object, s3://bucket/prefix/ for a folder"


def _check_destinations(spec: JobSpec) -> Iterator[str]:
    """Tasks that run side by side must not write the same object."""
    seen = set[str]()
    for text in spec.outputs:
        destination = wanted.parse(text).destination
        if destination is None:
            continue
        if destination in seen:
            yield f"--output {text}: another output goes to {destination} too"
        seen.add(destination)
        if spec.array is not None:
            yield (
                f"--output {text}: all tasks of --array would write it; leave the destination out, or use --tasks FILE"
                " and a {column} in it"
            )
        if spec.tasks is not None and not list(wanted.columns_of(destination)):
            yield f"--output {text}: all tasks would write it; put a {{column}} of the tasks file into the destination"


def _check_script(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            start = file.read(2)
    except OSError as error:
        yield f"--script {path}: cannot be read: {error.strerror}; paths are relative to the folder you are in"
        return
    if start != b"#!":
        yield f"--script {path}: its first line must name what runs it, as in #!/bin/bash"
